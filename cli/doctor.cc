// cairn doctor: is this host's audit as it should be, and what mends it.
#include "cli/doctor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/certificate.h"
#include "base/config_files.h"
#include "base/escape.h"
#include "base/host.h"
#include "base/human.h"
#include "base/io.h"
#include "base/status.h"
#include "cli/json.h"
#include "cli/logs.h"
#include "cli/status.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxPem = 64 << 10;
constexpr char kShipperConfig[] = "/etc/cairn/shipper.yaml";
constexpr absl::Duration kRenewBefore = absl::Hours(24 * 30);
constexpr int64_t kReceiptOldS = 60;
constexpr char kNames[][5] = {"ok", "warn", "fail"};
constexpr char kHues[][5] = {"32", "33", "1;31"};

Finding Key(const std::string& keys_dir) {
  const std::string path = absl::StrCat(keys_dir, "/", kLogKeyName);
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == EACCES) return {Health::kWarn, "key", "not root: not seen", "sudo cairn doctor"};
    return {Health::kFail, "key", absl::StrCat(path, " is not there"), "cairn key init"};
  }
  if ((st.st_mode & 077) != 0) {
    return {Health::kFail, "key", absl::StrCat(path, " may be read by others"),
            absl::StrCat("chmod 600 ", path)};
  }
  return {Health::kOk, "key", path};
}

Finding Disk(const std::string& log_dir) {
  struct statvfs fs;
  if (::statvfs(log_dir.c_str(), &fs) != 0 || fs.f_blocks == 0) {
    return {Health::kWarn, "disk", absl::StrCat(log_dir, ": cannot be read"), "sudo cairn doctor"};
  }
  const uint64_t free_bytes = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  const unsigned long percent = fs.f_bavail * 100 / fs.f_blocks;
  const std::string detail =
      absl::StrCat(log_dir, ": ", HumanBytes(free_bytes), " free (", percent, " %)");
  if (percent >= 10) return {Health::kOk, "disk", detail};
  return {percent >= 3 ? Health::kWarn : Health::kFail, "disk", detail,
          "make space, or set log limits in /etc/cairn/agent.yaml"};
}

Finding Certificate(const std::string& path) {
  const auto pem = ReadFile(path, kMaxPem);
  if (absl::IsPermissionDenied(pem.status())) {
    return {Health::kWarn, "certificate", "not root: not seen", "sudo cairn doctor"};
  }
  const auto facts = pem.ok() ? ReadCertificate(*pem) : pem.status();
  if (!facts.ok()) {
    return {Health::kFail, "certificate", std::string(facts.status().message()), "cairn enrol"};
  }
  const std::string until = absl::FormatTime("%Y-%m-%d", facts->not_after, absl::UTCTimeZone());
  const absl::Duration left = facts->not_after - absl::Now();
  if (left > kRenewBefore) {
    return {Health::kOk, "certificate", absl::StrCat(path, ": until ", until)};
  }
  return {left > absl::ZeroDuration() ? Health::kWarn : Health::kFail, "certificate",
          absl::StrCat(path, left > absl::ZeroDuration() ? ": only until " : ": ended ", until),
          "cairn enrol"};
}

std::vector<Finding> Shipping() {
  if (::access(kShipperConfig, F_OK) != 0) {
    return {{Health::kWarn, "shipping",
             absl::StrCat(kShipperConfig,
                          " is not there: the log stays "
                          "on this host"),
             "cairn enrol"}};
  }
  config::ShipperConfig config;
  const absl::Status read = ReadConfigFiles(kShipperConfig, &config);
  if (!read.ok()) {
    return {
        {Health::kFail, "shipping", std::string(read.message()), "cairn-shipper --check-config"}};
  }
  return {{Health::kOk, "shipping", absl::StrCat("to ", config.collectors_size(), " collectors")},
          Certificate(config.tls().certificate())};
}

Finding Capture(const control::Status& status) {
  const std::string detail =
      absl::StrCat(status.backend(), ", audit ", status.audit_mode(),
                   status.backend_reason().empty() ? "" : ": ", status.backend_reason());
  if (status.backend() != "audit-only") return {Health::kOk, "capture", detail};
  return {Health::kWarn, "capture", detail,
          "mend BTF and lockdown above; systemctl restart cairnd"};
}

Finding Policy(const control::Status& status) {
  const std::string detail = absl::StrCat(status.policy_rung(), ", ", status.policy_files_size(),
                                          " files, generation ", status.policy_generation());
  if (status.policy_rung() == "configured" && status.policy_errors().empty()) {
    return {Health::kOk, "policy", detail};
  }
  return {Health::kFail, "policy",
          absl::StrCat(detail, status.policy_errors().empty() ? "" : ": ",
                       status.policy_errors().empty() ? "" : status.policy_errors(0)),
          "cairn policy check /etc/cairn/policy.d; cairn policy load"};
}

Finding Loss(const control::Status& status) {
  if (status.lost() == 0) return {Health::kOk, "lost", "no event since start"};
  return {Health::kWarn, "lost",
          absl::StrCat(status.lost(), " events since start, each counted in an agent.loss record"),
          "raise capture.ring_bytes in /etc/cairn/agent.yaml; cairn events --type agent.loss"};
}

Finding Storage(const control::Status& status) {
  if (status.storage_fault().empty()) return {Health::kOk, "log", status.log_dir()};
  return {Health::kFail, "log", status.storage_fault(), "look at the disk: dmesg; df -h"};
}

Finding Receipt(const control::Status& status) {
  int64_t newest_s = 0;
  uint64_t size = 0;
  for (const auto& receipt : status.receipts()) {
    newest_s = std::max(newest_s, static_cast<int64_t>(receipt.time_s()));
    size = std::max(size, receipt.size());
  }
  if (newest_s == 0) {
    return {Health::kWarn, "receipts", "none since start: the log is as safe as this host",
            "systemctl status cairn-shipper; receipts.collectors in /etc/cairn/agent.yaml"};
  }
  const int64_t age_s = absl::ToUnixSeconds(absl::Now()) - newest_s;
  const std::string detail =
      absl::StrCat(size, " of ", status.size(), " blocks, ", age_s, " s ago");
  if (age_s <= kReceiptOldS) return {Health::kOk, "receipts", detail};
  return {Health::kWarn, "receipts", detail, "systemctl status cairn-shipper"};
}

std::vector<Finding> Daemon(const Arguments& arguments) {
  const auto status = AskStatus(arguments);
  if (!status.ok()) {
    return {{Health::kFail, "cairnd", std::string(status.status().message()),
             "systemctl start cairnd"}};
  }
  std::vector<Finding> findings = {
      {Health::kOk, "cairnd", absl::StrCat("version ", status->version(), " answers")}};
  if (!status->config_error().empty()) {
    findings.push_back({Health::kFail, "configuration", status->config_error(),
                        "mend it; cairnd --check-config; systemctl restart cairnd"});
  }
  for (Finding& finding : std::vector<Finding>{Capture(*status), Policy(*status), Storage(*status),
                                               Loss(*status), Receipt(*status)}) {
    findings.push_back(std::move(finding));
  }
  return findings;
}

int RunDoctor(const Arguments& arguments) {
  const std::string format = arguments.Get("--output", "text");
  if (format != "text" && format != "json") return Fail(kUsage, "doctor: -o is text or json");
  const std::vector<Finding> findings = Examine(arguments);
  bool failed = false;
  const bool colour = WantsColour(STDOUT_FILENO);
  std::string text;
  for (const Finding& finding : findings) {
    const int health = static_cast<int>(finding.health);
    failed |= finding.health == Health::kFail;
    absl::StrAppend(&text, Paint(Pad(kNames[health], 4), kHues[health], colour), "  ",
                    Pad(finding.what, 15), "  ", EscapeBytes(finding.detail), "\n");
    if (!finding.mend.empty()) absl::StrAppend(&text, "      mend: ", finding.mend, "\n");
  }
  std::fputs(format == "json" ? (FindingsJson(findings) + "\n").c_str() : text.c_str(), stdout);
  return failed ? kFailed : kOk;
}

}  // namespace

std::vector<Finding> Examine(const Arguments& arguments) {
  std::vector<Finding> findings = ExamineKernel();
  const auto config = AgentConfigOf(arguments);
  if (config.ok()) {
    findings.push_back({Health::kOk, "configuration", "agent.yaml and its drop-ins can be read"});
    findings.push_back(Key(config->keys().dir()));
    findings.push_back(Disk(config->log().dir()));
  } else {
    findings.push_back({Health::kFail, "configuration", std::string(config.status().message()),
                        "mend it; cairnd --check-config"});
  }
  for (const auto& part : {Shipping(), Daemon(arguments)}) {
    findings.insert(findings.end(), part.begin(), part.end());
  }
  return findings;
}

std::string FindingsJson(const std::vector<Finding>& findings) {
  std::vector<std::string> items;
  for (const Finding& finding : findings) {
    JsonObject json;
    json.Text("health", kNames[static_cast<int>(finding.health)]);
    json.Text("what", finding.what);
    json.Text("detail", finding.detail);
    json.Text("mend", finding.mend);
    items.push_back(json.Done());
  }
  return JsonArray(items);
}

Command DoctorCommand() {
  Command command;
  command.name = "doctor";
  command.summary = "Say what is wrong with this host's audit, and what mends it";
  command.details =
      "One line a matter: ok, warn or fail; under it the command that mends it. Looks at the\n"
      "kernel (BTF, BPF LSM, lockdown, audit), other audit consumers, clock, disk, certificate,\n"
      "configuration, policy, loss and receipts. Changes nothing. Exit 1 when something failed.";
  command.options = {{"--output", "FORMAT", "text (default) or json", 'o'},
                     {"--socket", "PATH", "cairnd's control socket (control.socket of agent.yaml)"},
                     kConfigOption};
  command.run = RunDoctor;
  return command;
}

}  // namespace cairn::cli
