#include "collector/console/run.h"

#include <signal.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/yaml.h"
#include "collector/config.h"
#include "collector/console/access.h"
#include "collector/console/certificate.h"
#include "collector/console/console_server.h"
#include "proto/config.pb.h"

namespace cairn::collector {
namespace {

constexpr char kConfigDir[] = "/etc/cairn-collector";
constexpr size_t kMaxConfig = 1 << 20;
constexpr char kUsage[] =
    "usage: cairn-collectord console [--config FILE]      serves the web console\n"
    "       cairn-collectord console-certificate --host NAME... [--dir DIR]\n"
    "                                 makes DIR/console.crt and console.key, for a first look\n"
    "       cairn-collectord console-token NAME --role ROLE   makes a login token, prints it "
    "once\n";
enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5, kBadConfig = 6 };

std::string Or(const std::string& value, const std::string& fallback) {
  return value.empty() ? fallback : value;
}

absl::StatusOr<ConsoleOptions> LoadOptions(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfig));
  config::CollectorConfig config;
  RETURN_IF_ERROR(ParseYamlFile(text, path, &config));
  const config::Console& console = config.console();
  ConsoleOptions options;
  auto listen = HostPort::Parse(Or(console.listen(), "0.0.0.0:8443"));
  if (!listen.ok()) return Annotate(listen.status(), absl::StrCat(path, ": console.listen"));
  options.listen = *std::move(listen);
  options.tls = {Or(console.tls().certificate(), absl::StrCat(kConfigDir, "/console.crt")),
                 Or(console.tls().key(), absl::StrCat(kConfigDir, "/console.key")),
                 Or(console.tls().ca(), config.tls().ca()),
                 Or(console.tls().crl(), config.tls().crl())};
  options.store = Or(config.store(), "/var/lib/cairn-collector/store");
  options.alarms = Or(config.alarms_log(), options.store + "/alarms.jsonl");
  options.access = Or(console.access(), "/etc/cairn-collector/console.yaml");
  options.dir = Or(console.dir(), "/var/lib/cairn-collector/console");
  options.tlog_dir = Or(console.tlog_dir(), options.store + "/tlog");
  options.metrics_socket = config.metrics().socket();
  if (console.session_s() > 0) options.session = absl::Seconds(console.session_s());
  return options;
}

int Serve(const std::string& path) {
  auto options = LoadOptions(path);
  if (!options.ok()) {
    LogError(options.status().message());
    return kBadConfig;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ForbidDumps();
  const auto server = ConsoleServer::Start(*std::move(options));
  if (!server.ok()) {
    LogError(server.status().message());
    return kFailed;
  }
  LogInfo("console on port ", (*server)->port());
  Notify("READY=1");
  int signal = 0;
  ::sigwait(&signals, &signal);
  Notify("STOPPING=1");
  return kOk;
}

int MakeCertificate(const std::string& dir, const std::vector<std::string>& hosts) {
  const auto made = MakeWebCertificate(hosts);
  absl::Status status = made.status();
  if (status.ok()) {
    status = WriteFileDurably(Io::Real(), dir, "console.crt", made->certificate_pem, 0644);
  }
  if (status.ok()) {
    status = WriteFileDurably(Io::Real(), dir, "console.key", made->key_pem, 0600);
  }
  if (!status.ok()) LogError(status.message());
  return status.ok() ? kOk : kFailed;
}

int MakeTokenFor(const std::string& name, const std::string& role) {
  const std::string token = MakeToken();
  std::printf("token: %s\n", token.c_str());
  std::printf("Give it to %s; it is shown only now. For users: in console.yaml:\n", name.c_str());
  std::printf("  - name: \"%s\"\n    role: \"%s\"\n    token_sha256: \"%s\"\n", name.c_str(),
              role.c_str(), TokenDigest(token).c_str());
  return kOk;
}

}  // namespace

int ConsoleCommand(int argc, char** argv) {
  const std::string command = argv[0];
  std::string path(kCollectorConfigPath);
  std::string role = "viewer";
  std::string name;
  std::string dir = kConfigDir;
  std::vector<std::string> hosts;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--config" && i + 1 < argc) {
      path = argv[++i];
    } else if (arg == "--role" && i + 1 < argc) {
      role = argv[++i];
    } else if (arg == "--host" && i + 1 < argc) {
      hosts.emplace_back(argv[++i]);
    } else if (arg == "--dir" && i + 1 < argc) {
      dir = argv[++i];
    } else if (command == "console-token" && name.empty() && arg[0] != '-') {
      name = arg;
    } else {
      std::fputs(kUsage, arg == "--help" ? stdout : stderr);
      return arg == "--help" ? kOk : kUsageError;
    }
  }
  if (command == "console") return Serve(path);
  if (command == "console-certificate" && !hosts.empty()) return MakeCertificate(dir, hosts);
  if (!name.empty()) return MakeTokenFor(name, role);
  std::fputs(kUsage, stderr);
  return kUsageError;
}

}  // namespace cairn::collector
