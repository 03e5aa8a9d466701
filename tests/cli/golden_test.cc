// Commands of `cairn` and all they print, against files in golden/. WRITE_GOLDEN=1 writes those
// anew: read the difference before you commit it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "ledger/frame.h"
#include "re2/re2.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"

namespace cairn {
namespace {

using ledger::ReadAll;
using ledger::TestLog;
using ledger::WriteAllTo;

struct Case {
  const char* name;       // of the golden file
  const char* arguments;  // LOG, TAMPERED, CUT, EMPTY, DIR and VKEY are replaced
};

constexpr Case kCases[] = {
    {"help", "--help"},
    {"help_verify", "verify --help"},
    {"unknown_command", "verfy"},
    {"unknown_option", "events --sinse today LOG"},
    {"events", "events LOG"},
    {"events_aligned", "events --columns 110 LOG"},
    {"events_wide", "events --wide --columns 110 LOG"},
    {"events_json", "events -o json --type file LOG"},
    {"events_of_a_user", "events --user 1000 LOG"},
    {"events_of_a_rule", "events --rule shadow-read LOG"},
    {"events_where", "events --where \"type == 'file.open' && result == 'success'\" LOG"},
    {"events_where_wrong", "events --where \"proces.exe == 'x'\" LOG"},
    {"events_where_cut", "events --where \"type ==\" LOG"},
    {"events_ocsf", "events -o ocsf --type file LOG"},
    {"events_csv", "events -o csv LOG"},
    {"report_where", "report --where \"type == 'file.open'\" LOG"},
    {"events_bad_time", "events --since yesterdy LOG"},
    {"events_bad_type", "events --type file.opne LOG"},
    {"events_no_log", "events DIR/absent"},
    {"report", "report LOG"},
    {"report_json", "report -o json LOG"},
    {"verify_ok", "verify --key VKEY LOG"},
    {"verify_ok_json", "verify -o json --key VKEY LOG"},
    {"verify_no_key", "verify LOG"},
    {"verify_wrong_key", "verify --key nonsense LOG"},
    {"verify_tampered", "verify --key VKEY TAMPERED"},
    {"verify_tampered_json", "verify -o json --key VKEY TAMPERED"},
    {"verify_cut", "verify --key VKEY CUT"},
    {"verify_empty", "verify --key VKEY EMPTY"},
    {"checkpoint", "checkpoint LOG"},
    {"policy_floor", "policy floor"},
    {"policy_check_ok", "policy check DIR/good.yaml"},
    {"policy_check_all_errors", "policy check DIR/bad.yaml"},
    {"policy_check_binary", "policy check DIR/binary.yaml"},
    {"status_no_daemon", "status --config DIR/agent.yaml"},
    {"key_show_no_key", "key show --config DIR/agent.yaml"},
};

constexpr char kGoodPolicy[] = R"(schema: cairn.policy/v1
metadata: {name: good, serial: 1}
rules:
  - id: hashes
    on: [file.open]
    when: file.path == "/etc/shadow"
    severity: high
)";

constexpr char kBadPolicy[] = R"(schema: cairn.policy/v1
metadata: {name: bad, serial: 1}
rules:
  - id: misspelt-field
    on: [file.open]
    when: process.exee == "/usr/bin/cat"
  - id: wrong-event
    on: [file.opne]
    when: "true"
  - id: wrong-type
    on: [process.exec]
    when: process.uid == "root"
  - id: misspelt-field
    on: [process.exec]
    wen: "true"
)";

// One log in three epochs: made once, read by every case.
class World {
 public:
  World() {
    EXPECT_TRUE(log_.Open().ok());
    Exec(1000, "/usr/bin/cat", {"cat", "/etc/shadow"}, "floor:exec");
    Open(1000, "/etc/shadow", 3, "shadow-read");
    Open(1000, "/etc/gshadow", -13, "shadow-read");
    EXPECT_TRUE(log_.ledger->Rotate("test").ok());
    Exec(0, "/usr/bin/evil \x1b[31m\n", {"evil", "\x1b]0;title\x07", "caf\xc3\xa9", "\xff\xfe"},
         "floor:exec");
    Connect(443);
    EXPECT_TRUE(log_.ledger->Rotate("test").ok());
    Open(1000, "/home/a/" + absl::StrJoin(std::vector<std::string>(20, "directory"), "-"), 5,
         "home");
    EXPECT_TRUE(log_.ledger->Close("stop").ok());
    log_.ledger.reset();
    Copies();
  }

  std::string Replaced(absl::string_view text) const {
    return absl::StrReplaceAll(text, {{"LOG", log_.dir.path()},
                                      {"TAMPERED", dir_.path() + "/tampered"},
                                      {"CUT", dir_.path() + "/cut"},
                                      {"EMPTY", dir_.path() + "/empty"},
                                      {"DIR", dir_.path()},
                                      {"VKEY", "'" + log_.verifier_key().ToString() + "'"}});
  }

  // What differs from run to run: directories, and hashes and signatures (keys are random).
  std::string Masked(std::string text) const {
    text = absl::StrReplaceAll(text, {{log_.dir.path(), "LOG"}, {dir_.path(), "DIR"}});
    RE2::GlobalReplace(&text, R"([0-9a-f]{32,})", "<hex>");
    RE2::GlobalReplace(&text, R"(checksum [0-9a-f]{8}, want [0-9a-f]{8})",
                       "checksum <a>, want <b>");
    RE2::GlobalReplace(&text, R"([A-Za-z0-9+/]{43,}={0,2})", "<base64>");
    return text;
  }

  const std::string& dir() const { return dir_.path(); }

 private:
  void Add(Record* record, uint32_t uid, const std::string& exe,
           const std::vector<std::string>& argv, const std::string& rule) {
    ledger::Subject& subject = subjects_.emplace_back();
    Process& process = subject.process;
    process.set_pid(4000 + static_cast<uint32_t>(subjects_.size()));
    process.set_start_ns(1000);
    process.set_ppid(1);
    process.set_exe(exe);
    process.set_comm(argv[0]);
    process.set_uid(uid);
    process.set_euid(uid);
    process.set_auid(uid == 0 ? 0xFFFFFFFF : uid);
    process.set_user(uid == 0 ? "root" : "alice");
    for (const std::string& argument : argv) process.add_argv(argument);
    const std::string* rules[] = {&*rules_.insert(rule).first};
    ledger::Entry entry;
    *log_.clock_ns += 1'500'000'000;
    entry.time_ns = *log_.clock_ns;
    entry.record = record;
    entry.subject = &subject;
    entry.rules = rules;
    EXPECT_TRUE(log_.ledger->Append(entry).ok());
  }
  void Exec(uint32_t uid, const std::string& exe, const std::vector<std::string>& argv,
            const std::string& rule) {
    Record record;
    record.set_type(PROCESS_EXEC);
    record.set_ret(0);
    Add(&record, uid, exe, argv, rule);
  }
  void Open(uint32_t uid, const std::string& path, int64_t ret, const std::string& rule) {
    Record record;
    record.set_type(FILE_OPEN);
    record.set_ret(ret);
    record.mutable_file()->set_path(path);
    record.mutable_file()->set_source(PATH_OBJECT);
    record.mutable_file()->set_access(1);
    Add(&record, uid, "/usr/bin/cat", {"cat", path}, rule);
  }
  void Connect(uint32_t port) {
    Record record;
    record.set_type(NET_CONNECT);
    record.set_ret(-111);
    record.mutable_net()->set_family(2);
    record.mutable_net()->set_protocol(6);
    record.mutable_net()->set_dst_ip(std::string("\x7f\0\0\1", 4));
    record.mutable_net()->set_dst_port(port);
    Add(&record, 0, "/usr/bin/curl", {"curl", "https://localhost"}, "outgoing");
  }

  void Copies() {
    for (const char* copy : {"tampered", "cut"}) {
      ledger::CopyLog(log_.dir.path(), dir_.path() + "/" + copy);
    }
    std::filesystem::create_directory(dir_.path() + "/empty");
    const std::string second = dir_.path() + "/tampered/" + ledger::SegmentName(1);
    std::string bytes = ReadAll(second);
    bytes[540] = static_cast<char>(bytes[540] ^ 1);  // within its second block
    WriteAllTo(second, bytes);
    std::filesystem::remove(dir_.path() + "/cut/" + ledger::SegmentName(1));
    WriteAllTo(dir_.path() + "/good.yaml", kGoodPolicy);
    WriteAllTo(dir_.path() + "/bad.yaml", kBadPolicy);
    WriteAllTo(dir_.path() + "/binary.yaml", std::string("schema\0\xff\xfe", 9));
    WriteAllTo(dir_.path() + "/agent.yaml",
               absl::StrCat("deployment: test\nkeys: {dir: ", dir_.path(),
                            "/keys}\ncontrol: {socket: ", dir_.path(), "/control.sock}\n"));
  }

  TestLog log_;
  ledger::TempDir dir_;
  std::deque<ledger::Subject> subjects_;
  std::set<std::string> rules_;  // ids that outlive every block
};

const World& TheWorld() {
  static const World world;
  return world;
}

std::string Transcript(const Case& test) {
  const World& world = TheWorld();
  const std::string out = world.dir() + "/out", err = world.dir() + "/err";
  const std::string command =
      absl::StrCat("TZ=UTC TERM=dumb ", ProgramPath("cairn"), " ", world.Replaced(test.arguments),
                   " >", out, " 2>", err, " </dev/null");
  const int status = std::system(command.c_str());
  std::string text = absl::StrCat("$ cairn ", test.arguments, "\n", ReadAll(out));
  const std::string messages = ReadAll(err);
  if (!messages.empty()) absl::StrAppend(&text, "--- stderr\n", messages);
  absl::StrAppend(&text, "--- exit ", WIFEXITED(status) ? WEXITSTATUS(status) : -1, "\n");
  return world.Masked(text);
}

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, PrintsWhatItDid) {
  const std::string path = SourcePath(absl::StrCat("tests/cli/golden/", GetParam().name, ".txt"));
  const std::string now = Transcript(GetParam());
  if (std::getenv("WRITE_GOLDEN") != nullptr) WriteAllTo(path, now);
  EXPECT_EQ(now, ReadAll(path)) << "WRITE_GOLDEN=1 writes " << path << " anew";
  for (const char c : now) {
    EXPECT_TRUE(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20)
        << "a control character reaches the reader";
  }
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace cairn
