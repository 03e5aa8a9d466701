// A collector's store with three hosts in it, and the console over it. For tests: prints one JSON
// line (port, ca, tokens), then does what stdin says, a command a line, and answers "ok":
//   append N PATH   N records of file.open of PATH on the first host, committed
//   access TEXT     console.yaml becomes TEXT, with \n for newlines
// Ends with stdin.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/certificate.h"
#include "base/clock.h"
#include "base/io.h"
#include "collector/console/access.h"
#include "collector/console/certificate.h"
#include "collector/console/console_server.h"
#include "collector/setup.h"
#include "ledger/ledger.h"
#include "policy/json.h"
#include "tests/ledger/test_log.h"

namespace cairn::collector {
namespace {

constexpr char kDeployment[] = "test.example";
constexpr char kAttack[] = "/tmp/<img src=x onerror=alert(1)>\"'&\x1b[31m\xe2\x80\xae.txt";

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "console_site: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

class Host {
 public:
  Host(const std::string& store, int number, std::string name, std::string backend)
      : uuid_(absl::StrCat("00000000-0000-4000-8000-00000000000", number)), name_(std::move(name)) {
    ledger::LedgerOptions options;
    options.dir = absl::StrCat(store, "/", kDeployment, "/", uuid_, "/1");
    Must(MakeDirectories(Io::Real(), options.dir, 0750));
    options.origin = absl::StrCat(kDeployment, "/h/", uuid_, "/1");
    options.environment = "production";
    options.boot_id = "00000000-0000-4000-8000-00000000b007";
    options.binary_digest = std::string(32, 'b');
    const uint8_t seed[32] = {static_cast<uint8_t>(number), 9};
    auto opened =
        ledger::Ledger::Open(std::move(options), ledger::SigningKey::FromSeed(Secret32(seed)));
    Must(opened.status());
    ledger_ = *std::move(opened);
    Say(AGENT_START, [&](Record* record) {
      record->mutable_agent()->set_version("0.1.0");
      record->mutable_agent()->set_hostname(name_);
      record->mutable_agent()->set_backend(backend);
      record->mutable_agent()->set_audit_mode("multicast");
      record->mutable_agent()->set_environment("production");
    });
    Policy(0, 1, "start");
  }

  void Policy(uint64_t from, uint64_t to, const std::string& trigger) {
    Say(AGENT_POLICY_LOADED, [&](Record* record) {
      PolicyChange* change = record->mutable_policy();
      change->set_old_generation(from);
      change->set_new_generation(to);
      if (from > 0) change->set_old_digest(std::string(32, static_cast<char>('0' + from)));
      change->set_new_digest(std::string(32, static_cast<char>('0' + to)));
      change->set_rung("configured");
      change->set_trigger(trigger);
      change->add_files("/etc/cairn/policy.d/10-baseline.yaml");
      change->add_added(absl::StrCat("outgoing-", to));
      if (from == 0) return;
      change->add_removed("temp-exec");
      change->add_weakened("shadow-read <script>alert(2)</script>");
      change->set_requester_pid(812);
      change->set_requester_exe("/usr/bin/cairn");
      change->add_signers("security@test.example");
    });
  }

  void Act(EventType type, const std::string& user, const std::string& exe,
           const std::vector<std::string>& argv, const std::string& path, int64_t ret,
           Severity severity, const std::string& rule) {
    subjects_.push_back(std::make_unique<ledger::Subject>());
    Process& process = subjects_.back()->process;
    process.set_pid(1000 + static_cast<uint32_t>(subjects_.size()));
    process.set_start_ns(BootNs());
    process.set_exe(exe);
    process.set_comm(exe.substr(exe.rfind('/') + 1).substr(0, 15));
    process.set_user(user);
    process.set_uid(user == "root" ? 0 : 1000);
    process.set_euid(process.uid());
    process.set_auid(1000);
    process.set_ppid(1);
    for (const std::string& word : argv) process.add_argv(word);
    Record record;
    record.set_type(type);
    record.set_ret(ret);
    record.set_severity(severity);
    record.set_source(SOURCE_EBPF);
    if (type == NET_CONNECT) {
      record.mutable_net()->set_family(2);
      record.mutable_net()->set_protocol(6);
      record.mutable_net()->set_dst_ip(std::string("\xcb\0\x71\x07", 4));
      record.mutable_net()->set_dst_port(443);
    } else if (type != PROCESS_EXEC) {
      record.mutable_file()->set_path(path);
      record.mutable_file()->set_access(1);
      record.mutable_file()->set_source(PATH_OBJECT);
    }
    rules_.push_back(std::make_unique<std::string>(rule));
    const std::string* rules[] = {rules_.back().get()};
    Must(ledger_->Append({.time_ns = BootNs(),
                          .record = &record,
                          .subject = subjects_.back().get(),
                          .rules = rules}));
    ledger_->Flush();
  }

  void Say(EventType type, const std::function<void(Record*)>& fill) {
    Record record;
    record.set_type(type);
    record.set_source(SOURCE_AGENT);
    fill(&record);
    Must(ledger_->Append({.time_ns = BootNs(), .record = &record, .urgent = true}));
    ledger_->Flush();
    ledger_->Tick();
  }

  void Sync() { Must(ledger_->Sync()); }
  void Rotate() { Must(ledger_->Rotate("size")); }
  const std::string& uuid() const { return uuid_; }

 private:
  const std::string uuid_;
  const std::string name_;
  std::vector<std::unique_ptr<ledger::Subject>> subjects_;
  std::vector<std::unique_ptr<std::string>> rules_;
  std::unique_ptr<ledger::Ledger> ledger_;
};

// Some of what happens on a host, harmless and not.
struct Act {
  EventType type;
  const char* user;
  const char* exe;
  std::vector<std::string> argv;
  const char* path;
  int64_t ret;
  Severity severity;
  const char* rule;
};

const Act kActs[] = {
    {PROCESS_EXEC,
     "alice",
     "/usr/bin/ssh",
     {"ssh", "backup.internal"},
     "",
     0,
     SEVERITY_NONE,
     "floor:exec"},
    {FILE_OPEN,
     "root",
     "/usr/bin/head",
     {"head", "-c", "1", "/etc/shadow"},
     "/etc/shadow",
     3,
     SEVERITY_HIGH,
     "password-hashes"},
    {NET_CONNECT,
     "alice",
     "/usr/bin/curl",
     {"curl", "https://203.0.113.7/"},
     "",
     0,
     SEVERITY_LOW,
     "outgoing"},
    {FILE_DELETE,
     "bob",
     "/usr/bin/rm",
     {"rm", "-rf", "/var/log/app"},
     "/var/log/app/today.log",
     0,
     SEVERITY_MEDIUM,
     "log-removal"},
    {FILE_OPEN,
     "bob",
     "/usr/bin/cat",
     {"cat", "/root/.ssh/id_ed25519"},
     "/root/.ssh/id_ed25519",
     -13,
     SEVERITY_MEDIUM,
     "private-keys"},
    {FILE_CREATE,
     "www-data",
     "/usr/sbin/nginx",
     {"nginx", "-g", "daemon off;"},
     "/var/lib/nginx/body/0000000017",
     7,
     SEVERITY_NONE,
     "category:file"},
    {FILE_OPEN,
     "mallory",
     "/tmp/<script>alert(3)</script>",
     {"x", "<svg onload=alert(4)>"},
     kAttack,
     4,
     SEVERITY_CRITICAL,
     "exec-from-tmp"},
};

void FillHost(Host* host) {
  for (int round = 0; round < 60; ++round) {
    for (const Act& act : kActs) {
      host->Act(act.type, act.user, act.exe, act.argv, act.path, act.ret, act.severity, act.rule);
    }
    if (round == 30) host->Rotate();
  }
  host->Policy(1, 2, "inotify");
  host->Sync();
}

// A host with troubles: degraded, lossy, silent. The alarms, and the collector's own log, are there
// too.
void FillTroubled(Host* host, const std::string& store) {
  host->Say(AGENT_DEGRADED, [](Record* record) {
    record->mutable_notice()->set_what("no BPF");
    record->mutable_notice()->set_detail("the kernel is locked down");
  });
  host->Say(AGENT_LOSS, [](Record* record) {
    record->mutable_loss()->set_source("ebpf");
    record->mutable_loss()->set_reason("ring_full");
    record->mutable_loss()->set_count(1234);
  });
  host->Sync();
  Must(WriteFileDurably(
      Io::Real(), store, "alarms.jsonl",
      absl::StrCat(
          "{\"time\":\"2026-01-02T03:04:05.000000006Z\",\"kind\":\"silence\",\"origin\":\"",
          kDeployment, "/h/", host->uuid(), "\",\"text\":\"<b>no receipt</b> asked for\"}\n",
          "not json\n"),
      0640));
  Must(MakeDirectories(Io::Real(), store + "/tlog/tile/0", 0750));
  Must(WriteFileDurably(Io::Real(), store + "/tlog", "checkpoint", "collector\n1\nAAAA\n", 0644));
  Must(WriteFileDurably(Io::Real(), store + "/tlog/tile/0", "000", std::string(32, '\0'), 0644));
}

std::string AccessFile(const std::string& admin, const std::string& viewer, const std::string& gone,
                       const std::string& host) {
  return absl::StrCat(
      "roles:\n  security:\n    hosts: [\"*\"]\n    events: [\"*\"]\n    alarms: true\n    "
      "metrics: true\n"
      "  web-team:\n    hosts: [\"",
      host,
      "\"]\n    events: [\"process.*\", \"net.*\"]\n"
      "    when: \"process.user != 'mallory'\"\n"
      "users:\n  - name: sam\n    role: security\n    token_sha256: \"",
      TokenDigest(admin), "\"\n  - name: wendy\n    role: web-team\n    token_sha256: \"",
      TokenDigest(viewer),
      "\"\n  - name: gone\n    role: security\n    expires: \"2020-01-01\"\n    token_sha256: \"",
      TokenDigest(gone), "\"\n  - name: cert\n    role: security\n    certificate: \"cairn://",
      kDeployment, "/u/cert\"\n");
}

void IssueUser(const std::string& dir) {
  auto certificate = ReadFile(dir + "/ca.crt", 1 << 16);
  auto key = ReadFile(dir + "/ca.key", 1 << 16);
  Must(certificate.status());
  auto authority = CertificateAuthority::Load({*certificate, *key});
  Must(authority.status());
  auto user = authority->Issue(
      {.common_name = "cert", .uris = {absl::StrCat("cairn://", kDeployment, "/u/cert")}});
  Must(user.status());
  Must(WriteFileDurably(Io::Real(), dir, "user.crt", user->certificate_pem, 0644));
  Must(WriteFileDurably(Io::Real(), dir, "user.key", user->key_pem, 0600));
}

void Obey(const std::string& line, const std::string& access_dir, Host* host) {
  const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 1));
  if (words[0] == "append") {
    const std::vector<std::string> rest = absl::StrSplit(words[1], absl::MaxSplits(' ', 1));
    for (int i = 0; i < std::stoi(rest[0]); ++i) {
      host->Act(FILE_OPEN, "alice", "/usr/bin/cat", {"cat", rest[1]}, rest[1], 3, SEVERITY_HIGH,
                "live");
    }
    host->Sync();
  } else if (words[0] == "access") {
    Must(WriteFileDurably(Io::Real(), access_dir, "console.yaml",
                          absl::StrReplaceAll(words[1], {{"\\n", "\n"}}), 0640));
  }
  std::puts("ok");
  std::fflush(stdout);
}

int Run() {
  ledger::TempDir temporary;
  const std::string dir = temporary.path() + "/collector";
  Must(InitCollector({.dir = dir,
                      .deployment = kDeployment,
                      .name = "collector.example",
                      .hosts = {"127.0.0.1", "localhost"}}));
  IssueUser(dir);
  const auto page = MakeWebCertificate({"localhost", "127.0.0.1"});
  Must(page.status());
  Must(WriteFileDurably(Io::Real(), dir, "console.crt", page->certificate_pem, 0644));
  Must(WriteFileDurably(Io::Real(), dir, "console.key", page->key_pem, 0600));
  const std::string store = dir + "/store";
  Host web(store, 1, "web-1.test.example", "lsm");
  Host db(store, 2, "db-1.test.example", "tracepoint");
  Host old(store, 3, "build-7.test.example", "audit-only");
  FillHost(&web);
  FillHost(&db);
  FillTroubled(&old, store);
  const std::string admin = MakeToken(), viewer = MakeToken(), gone = MakeToken();
  Must(WriteFileDurably(Io::Real(), dir, "console.yaml",
                        AccessFile(admin, viewer, gone, web.uuid()), 0640));
  auto server = ConsoleServer::Start(
      {.listen = {"127.0.0.1", "0"},
       .tls = {dir + "/console.crt", dir + "/console.key", dir + "/ca.crt", ""},
       .store = store,
       .alarms = store + "/alarms.jsonl",
       .access = dir + "/console.yaml",
       .dir = dir + "/console",
       .tlog_dir = store + "/tlog",
       .session = absl::Seconds(600)});
  Must(server.status());
  policy::JsonObject json;
  json.Number("port", static_cast<uint64_t>((*server)->port()));
  json.Text("dir", dir);
  json.Text("admin", admin);
  json.Text("viewer", viewer);
  json.Text("gone", gone);
  json.Texts("hosts", {web.uuid(), db.uuid(), old.uuid()});
  std::puts(json.Done().c_str());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) Obey(line, dir, &web);
  return 0;
}

}  // namespace
}  // namespace cairn::collector

int main() { return cairn::collector::Run(); }
