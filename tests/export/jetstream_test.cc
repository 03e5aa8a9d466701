// A 3-node JetStream loses a node while records stream; a consumer ends with every id exactly once.
#include <gtest/gtest.h>
#include <nats/nats.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/fd.h"
#include "base/socket.h"
#include "collector/export/exporter.h"
#include "tests/paths.h"
#include "tests/ship/site.h"

extern char** environ;

namespace cairn::collector {
namespace {

// From PATH; else out of Debian's package, unpacked and never installed, so that no service starts.
std::string NatsServer() {
  const std::string dir = ProgramPath("../nats-server-package");
  const std::string unpacked = dir + "/usr/sbin/nats-server";
  for (const std::string& path : {std::string("/usr/sbin/nats-server"), unpacked}) {
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  const std::string fetch = absl::StrCat("mkdir -p ", dir, " && cd ", dir,
                                         " && timeout 60 apt-get download -q nats-server "
                                         ">/dev/null 2>&1 && dpkg -x nats-server_*.deb .");
  if (std::system(fetch.c_str()) != 0 || ::access(unpacked.c_str(), X_OK) != 0) return "";
  return unpacked;
}

// All at once: one that is let go may be given again.
std::vector<int> FreePorts(size_t count) {
  std::vector<Fd> held;
  std::vector<int> ports;
  while (held.size() < count) {
    held.push_back(*Listen({"127.0.0.1", "0"}));
    ports.push_back(*ListeningPort(held.back().get()));
  }
  return ports;
}

class Cluster {
 public:
  Cluster(std::string program, const std::string& dir) : program_(std::move(program)), dir_(dir) {
    const std::vector<int> ports = FreePorts(6);
    ports_.assign(ports.begin(), ports.begin() + 3);
    cluster_ports_.assign(ports.begin() + 3, ports.end());
    std::vector<std::string> routes;
    for (const int port : cluster_ports_) {
      routes.push_back(absl::StrCat("nats-route://127.0.0.1:", port));
    }
    for (int i = 0; i < 3; ++i) {
      ledger::WriteAllTo(
          ConfigOf(i),
          absl::StrCat("server_name: n", i, "\nhost: 127.0.0.1\nport: ", ports_[i],
                       "\njetstream { store_dir: \"", dir_, "/js", i,
                       "\" }\ncluster { name: c, host: 127.0.0.1, port: ", cluster_ports_[i],
                       ", routes: [", absl::StrJoin(routes, ","), "] }\n"));
      pids_.push_back(0);
      Start(i);
    }
  }
  ~Cluster() {
    for (int i = 0; i < 3; ++i) Kill(i);
  }
  void Start(int node) {
    const std::string config = ConfigOf(node), log = absl::StrCat(dir_, "/n", node, ".log");
    const char* argv[] = {program_.c_str(), "-c", config.c_str(), "-l", log.c_str(), nullptr};
    ASSERT_EQ(::posix_spawn(&pids_[node], program_.c_str(), nullptr, nullptr,
                            const_cast<char**>(argv), environ),
              0);
  }
  void Kill(int node) {
    if (pids_[node] == 0) return;
    ::kill(pids_[node], SIGKILL);
    ::waitpid(pids_[node], nullptr, 0);
    pids_[node] = 0;
  }
  std::string Urls() const {
    std::vector<std::string> urls;
    for (const int port : ports_) urls.push_back(absl::StrCat("nats://127.0.0.1:", port));
    return absl::StrJoin(urls, ",");
  }

 private:
  std::string ConfigOf(int node) const { return absl::StrCat(dir_, "/n", node, ".conf"); }
  const std::string program_;
  const std::string dir_;
  std::vector<int> ports_;
  std::vector<int> cluster_ports_;
  std::vector<pid_t> pids_;
};

// Every message of the stream by its id, with how often it is there.
std::map<std::string, int> Consume(const std::string& urls, size_t at_least) {
  std::map<std::string, int> seen;
  natsConnection* connection = nullptr;
  jsCtx* js = nullptr;
  natsSubscription* subscription = nullptr;
  EXPECT_EQ(::natsConnection_ConnectTo(&connection, urls.c_str()), NATS_OK);
  EXPECT_EQ(::natsConnection_JetStream(&js, connection, nullptr), NATS_OK);
  for (int i = 0; i < 60 && subscription == nullptr; ++i) {
    if (::js_PullSubscribe(&subscription, js, "cairn.>", "reader", nullptr, nullptr, nullptr) !=
        NATS_OK) {
      absl::SleepFor(absl::Milliseconds(500));
    }
  }
  for (int empty = 0; subscription != nullptr && empty < 8 && seen.size() < at_least;) {
    natsMsgList list = {};
    if (::natsSubscription_Fetch(&list, subscription, 500, 2000, nullptr) != NATS_OK) ++empty;
    for (int i = 0; i < list.Count; ++i) {
      const char* id = nullptr;
      ::natsMsgHeader_Get(list.Msgs[i], "Nats-Msg-Id", &id);
      ++seen[id != nullptr ? id : "no id"];
      ::natsMsg_Ack(list.Msgs[i], nullptr);
    }
    ::natsMsgList_Destroy(&list);
  }
  ::natsSubscription_Destroy(subscription);
  ::jsCtx_Destroy(js);
  ::natsConnection_Destroy(connection);
  return seen;
}

TEST(JetStream, LosesANodeWhileRecordsStreamAndNothingElse) {
  const std::string program = NatsServer();
  if (program.empty()) GTEST_SKIP() << "SKIPPED: no nats-server, and apt could not fetch it";
  ledger::TempDir dir;
  Cluster cluster(program, dir.path());
  ship::HostWriter host(dir.path() + "/log");
  host.Open();
  std::unique_ptr<Sink> sink;
  for (int i = 0; i < 60 && sink == nullptr; ++i) {
    auto opened = OpenNatsSink({.urls = cluster.Urls(), .create_replicas = 3});
    if (opened.ok()) sink = *std::move(opened);
    if (sink == nullptr) absl::SleepFor(absl::Seconds(1));
  }
  ASSERT_NE(sink, nullptr) << ledger::ReadAll(dir.path() + "/n0.log");
  const ExportOptions options{.log_dir = host.dir(), .state_file = dir.path() + "/state"};
  std::unique_ptr<Exporter> exporter;
  const auto export_all = [&] {
    for (int tries = 0; tries < 60; ++tries) {
      if (sink == nullptr) {
        auto opened = OpenNatsSink({.urls = cluster.Urls(), .create_replicas = 3});
        if (opened.ok()) sink = *std::move(opened);
        exporter.reset();
      }
      if (sink != nullptr && exporter == nullptr) exporter = *Exporter::Open(options, sink.get());
      if (exporter != nullptr && exporter->Poll().ok()) return true;
      exporter.reset();
      sink.reset();
      absl::SleepFor(absl::Milliseconds(500));
    }
    return false;
  };
  for (int round = 0; round < 8; ++round) {
    host.Append(500);
    host.Sync();
    std::thread killer;
    if (round == 3) killer = std::thread([&] { cluster.Kill(0); });  // while records stream
    const bool exported = export_all();
    if (killer.joinable()) killer.join();
    ASSERT_TRUE(exported) << round;
    if (round == 6) cluster.Start(0);
  }
  host.Close();
  ASSERT_TRUE(export_all());
  std::set<std::string> written;
  auto reader = ledger::LogReader::Open(host.dir());
  ledger::LoggedRecord logged;
  while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
    written.insert(absl::StrCat(logged.origin, "#", logged.sequence));
  }
  ASSERT_GT(written.size(), 4000u);
  const std::map<std::string, int> seen = Consume(cluster.Urls(), written.size());
  std::set<std::string> ids;
  for (const auto& [id, count] : seen) ids.insert(id);
  EXPECT_EQ(ids.size(), written.size());
  EXPECT_TRUE(ids == written);
}

}  // namespace
}  // namespace cairn::collector
