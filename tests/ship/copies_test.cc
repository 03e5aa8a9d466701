// Copies of records: every wanted one arrives, in order, across restarts of either side.
#include "agent/shipper/copies.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ledger/reader.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

using shipper::Copies;
using shipper::CopyOptions;
using shipper::SyslogAddress;

// Datagrams, over UDP or a local socket.
class SyslogReceiver {
 public:
  static SyslogReceiver Udp() {
    SyslogReceiver receiver;
    receiver.socket_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(receiver.socket_.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    return receiver;
  }
  static SyslogReceiver Unix(const std::string& path) {
    SyslogReceiver receiver;
    receiver.socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(receiver.socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
              0);
    return receiver;
  }
  int port() const { return *ListeningPort(socket_.get()); }
  // Until `count` came or nothing comes for long.
  std::vector<std::string> Receive(size_t count) {
    std::vector<std::string> messages;
    char buffer[65536];
    pollfd ready{socket_.get(), POLLIN, 0};
    while (messages.size() < count && ::poll(&ready, 1, 20000) > 0) {
      const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (n > 0) messages.emplace_back(buffer, static_cast<size_t>(n));
    }
    return messages;
  }

 private:
  Fd socket_;
};

// RFC 5424, of one file.open.
constexpr char kForm[] =
    "<109>1 \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z [!-~]+ cairn - file\\.open "
    "\\[meta sequenceId=\"\\d+\"\\] \\{.*\\}";

std::string PathIn(const std::string& message) {
  std::smatch found;
  std::regex_search(message, found, std::regex("\"path\":\"([^\"]*)\""));
  return found.size() > 1 ? found[1].str() : "";
}

CopyOptions OptionsOf(const Site& site, const std::string& syslog) {
  CopyOptions options{
      .log_dir = site.host.dir(), .rules = {"watched", "floor:*"}, .state = site.path("copied")};
  options.syslog = *SyslogAddress::Parse(syslog);
  return options;
}

TEST(Syslog, AMessageHasTheFormOfRfc5424) {
  Site site;
  site.host.Open();
  site.host.Append(1);
  site.host.Sync();
  auto reader = ledger::LogReader::Open(site.host.dir());
  ASSERT_TRUE(reader.ok());
  ledger::LoggedRecord logged;
  while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
    if (logged.record->type() == FILE_OPEN) break;
  }
  const std::string text = shipper::FormatSyslog(logged, "a host", 60000);
  const std::regex form(kForm);
  EXPECT_TRUE(std::regex_match(text, form)) << text;
  EXPECT_TRUE(absl::StrContains(text, "Z a?host cairn")) << text;
  EXPECT_EQ(PathIn(text), "/srv/data/file-1");
  EXPECT_EQ(shipper::FormatSyslog(logged, "h", 100).size(), 100u);
}

TEST(Syslog, AnAddressThatIsNoneIsNamed) {
  for (const char* good : {"udp:127.0.0.1:514", "tcp:[::1]:601", "unix:/dev/log"}) {
    EXPECT_TRUE(SyslogAddress::Parse(good).ok()) << good;
  }
  for (const char* bad : {"", "udp:", "tcp:host", "unix:dev/log", "http://x", "514"}) {
    EXPECT_FALSE(SyslogAddress::Parse(bad).ok()) << bad;
  }
}

TEST(Copies, OnlyRecordsOfChosenRulesGoAndARestartGoesOnWhereItWas) {
  Site site;
  site.host.Open();
  SyslogReceiver receiver = SyslogReceiver::Udp();
  const CopyOptions options = OptionsOf(site, absl::StrCat("udp:127.0.0.1:", receiver.port()));
  site.host.AppendFor("watched", 20);
  site.host.AppendFor("other", 20);
  site.host.Sync();
  {
    const Copies copies(options);
    const std::vector<std::string> messages = receiver.Receive(20);
    ASSERT_EQ(messages.size(), 20u);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(PathIn(messages[static_cast<size_t>(i)]), absl::StrCat("/srv/data/file-", i + 1));
    }
  }
  site.host.AppendFor("watched", 5);
  site.host.Sync();
  const Copies again(options);
  const std::vector<std::string> messages = receiver.Receive(5);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(PathIn(messages.front()), "/srv/data/file-41") << "none twice, none left out";
  EXPECT_EQ(PathIn(messages.back()), "/srv/data/file-45");
}

TEST(Copies, GoToALocalSyslogSocketAlsoAfterItWasMadeAnew) {
  Site site;
  site.host.Open();
  const std::string path = site.path("dev-log");
  site.host.AppendFor("other", 5);
  site.host.AppendFor("watched", 10);
  site.host.Sync();
  std::optional<SyslogReceiver> receiver = SyslogReceiver::Unix(path);
  const Copies copies(OptionsOf(site, absl::StrCat("unix:", path)));
  const std::vector<std::string> messages = receiver->Receive(10);
  ASSERT_EQ(messages.size(), 10u);
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_TRUE(std::regex_match(messages[i], std::regex(kForm))) << messages[i];
    EXPECT_EQ(PathIn(messages[i]), absl::StrCat("/srv/data/file-", i + 6));
  }
  // The syslog daemon restarts: what comes meanwhile waits.
  receiver.reset();
  ::unlink(path.c_str());
  site.host.AppendFor("watched", 3);
  site.host.Sync();
  absl::SleepFor(absl::Milliseconds(700));
  receiver = SyslogReceiver::Unix(path);
  const std::vector<std::string> later = receiver->Receive(3);
  ASSERT_EQ(later.size(), 3u);
  EXPECT_EQ(PathIn(later.front()), "/srv/data/file-16");
}

// The fields of a journal entry as it is sent (systemd.io/JOURNAL_NATIVE_PROTOCOL): "KEY=value\n",
// or "KEY\n", the length in 8 bytes, and the value.
std::multimap<std::string, std::string> JournalFields(absl::string_view entry) {
  std::multimap<std::string, std::string> fields;
  while (!entry.empty()) {
    const size_t end = entry.find('\n');
    if (end == absl::string_view::npos) break;
    const absl::string_view line = entry.substr(0, end);
    const size_t equals = line.find('=');
    entry.remove_prefix(end + 1);
    if (equals != absl::string_view::npos) {
      fields.emplace(line.substr(0, equals), line.substr(equals + 1));
      continue;
    }
    uint64_t size = 0;  // little-endian, as this machine is
    if (entry.size() < sizeof size) break;
    std::memcpy(&size, entry.data(), sizeof size);
    fields.emplace(line, entry.substr(sizeof size, size));
    entry.remove_prefix(std::min<size_t>(entry.size(), sizeof size + size + 1));
  }
  return fields;
}

// The journal's socket has one place only, so a /run of its own is put over it, for this thread and
// those it starts.
TEST(Copies, GoToTheJournalsSocket) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("cairn", "/run", "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "SKIPPED: the journal's socket takes a mount namespace, hence root: "
                 << std::strerror(errno);
  }
  std::filesystem::create_directories("/run/systemd/journal");
  SyslogReceiver journal = SyslogReceiver::Unix("/run/systemd/journal/socket");
  Site site;
  site.host.Open();
  site.host.AppendFor("other", 5);
  site.host.AppendFor("watched", 10);
  site.host.Sync();
  CopyOptions options = OptionsOf(site, "unix:/unused");
  options.syslog.reset();
  options.journal = true;
  const Copies copies(options);
  const std::vector<std::string> entries = journal.Receive(10);
  ASSERT_EQ(entries.size(), 10u);
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::multimap<std::string, std::string> fields = JournalFields(entries[i]);
    const auto field = [&](const std::string& key) {
      const auto found = fields.find(key);
      return found == fields.end() ? "" : found->second;
    };
    EXPECT_EQ(field("SYSLOG_IDENTIFIER"), "cairn");
    EXPECT_EQ(field("PRIORITY"), "5");
    EXPECT_EQ(field("CAIRN_ORIGIN"), site.host.origin());
    EXPECT_EQ(field("CAIRN_EVENT"), "file.open");
    EXPECT_EQ(field("CAIRN_RULE"), "watched");
    EXPECT_TRUE(absl::StrContains(field("MESSAGE"), "file.open")) << field("MESSAGE");
    EXPECT_EQ(PathIn(field("CAIRN_RECORD")), absl::StrCat("/srv/data/file-", i + 6));
  }
}

TEST(Copies, WhatCannotBeDeliveredWaitsInTheLog) {
  Site site;
  site.host.Open();
  site.host.AppendFor("watched", 10);
  site.host.Sync();
  // A port where nobody listens yet.
  int port = 0;
  {
    const auto socket = Listen({"127.0.0.1", "0"});
    ASSERT_TRUE(socket.ok());
    port = *ListeningPort(socket->get());
  }
  const Copies copies(OptionsOf(site, absl::StrCat("tcp:127.0.0.1:", port)));
  absl::SleepFor(absl::Milliseconds(300));
  const auto listener = Listen({"127.0.0.1", absl::StrCat(port)});
  ASSERT_TRUE(listener.ok()) << listener.status();
  pollfd ready{listener->get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 20000), 1);
  const Fd peer(::accept(listener->get(), nullptr, nullptr));
  std::string stream;
  char buffer[65536];
  ready.fd = peer.get();
  while (!absl::StrContains(stream, "file-10\"") && ::poll(&ready, 1, 20000) > 0) {
    const ssize_t n = ::read(peer.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    stream.append(buffer, static_cast<size_t>(n));
  }
  // Octet counting: each message is as long as it says.
  int messages = 0;
  for (size_t at = 0; at < stream.size(); ++messages) {
    const size_t space = stream.find(' ', at);
    ASSERT_NE(space, std::string::npos);
    const size_t size = std::stoul(stream.substr(at, space - at));
    EXPECT_EQ(PathIn(stream.substr(space + 1, size)),
              absl::StrCat("/srv/data/file-", messages + 1));
    at = space + 1 + size;
  }
  EXPECT_EQ(messages, 10);
}

}  // namespace
}  // namespace cairn::ship
