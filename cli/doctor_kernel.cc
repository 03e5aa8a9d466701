// What the kernel and its audit allow.
#include <sys/timex.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/host.h"
#include "base/io.h"
#include "cli/audit_status.h"
#include "cli/doctor.h"

namespace cairn::cli {
namespace {

constexpr int64_t kYear2025 = 1735689600;

std::string Line(const std::string& path) {
  const auto text = ReadFile(path, 64 << 10);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

bool HasWord(absl::string_view text, absl::string_view word, char separator) {
  for (const absl::string_view part : absl::StrSplit(text, separator)) {
    if (part == word) return true;
  }
  return false;
}

Finding Btf() {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) == 0) {
    return {Health::kOk, "BTF", absl::StrCat("kernel ", KernelRelease(), " describes its types")};
  }
  return {Health::kFail, "BTF", "no /sys/kernel/btf/vmlinux: capture is audit alone",
          "boot a kernel with CONFIG_DEBUG_INFO_BTF=y (Debian: apt install linux-image-amd64)"};
}

Finding BpfLsm() {
  const std::string lsm = Line("/sys/kernel/security/lsm");
  if (HasWord(lsm, "bpf", ',')) return {Health::kOk, "BPF LSM", absl::StrCat("on: ", lsm)};
  if (lsm.empty()) {
    return {Health::kWarn, "BPF LSM", "/sys/kernel/security/lsm cannot be read",
            "mount -t securityfs securityfs /sys/kernel/security"};
  }
  return {Health::kWarn, "BPF LSM",
          absl::StrCat("off (", lsm, "): the agent cannot protect itself in the kernel"),
          absl::StrCat("add lsm=", lsm,
                       ",bpf to GRUB_CMDLINE_LINUX in /etc/default/grub, then "
                       "update-grub and reboot")};
}

Finding Lockdown() {
  const std::string lockdown = Line("/sys/kernel/security/lockdown");
  if (!absl::StrContains(lockdown, "[confidentiality]")) {
    return {Health::kOk, "lockdown", lockdown.empty() ? "none" : lockdown};
  }
  return {Health::kWarn, "lockdown", "confidentiality: the kernel refuses BPF; audit alone",
          "boot with lockdown=integrity"};
}

Finding BpfMount() {
  if (absl::StrContains(Line("/proc/self/mounts"), " /sys/fs/bpf bpf ")) {
    return {Health::kOk, "bpffs", "/sys/fs/bpf is mounted"};
  }
  return {Health::kWarn, "bpffs", "/sys/fs/bpf is not mounted: a restart of cairnd leaves a gap",
          "mount -t bpf bpf /sys/fs/bpf"};
}

Finding BootParameter() {
  const std::string line = Line("/proc/cmdline");
  if (HasWord(line, "audit=1", ' ')) return {Health::kOk, "audit=1", "on the kernel command line"};
  const bool off = HasWord(line, "audit=0", ' ') || HasWord(line, "audit=off", ' ');
  return {off ? Health::kFail : Health::kWarn, "audit=1",
          off ? "audit is switched off on the kernel command line"
              : "not on the kernel command line: processes older than the agent are not audited",
          "add audit=1 to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and reboot"};
}

std::vector<Finding> Audit() {
  const auto status = ReadAuditStatus();
  if (absl::IsPermissionDenied(status.status())) {
    return {{Health::kWarn, "audit", "not root: the kernel's audit does not answer",
             "sudo cairn doctor"}};
  }
  if (!status.ok()) {
    return {{Health::kWarn, "audit", std::string(status.status().message()),
             "boot a kernel with CONFIG_AUDIT=y"}};
  }
  std::vector<Finding> findings;
  if (status->enabled == 0) {
    findings.push_back({Health::kWarn, "audit", "disabled", "systemctl restart cairnd"});
  } else {
    findings.push_back({Health::kOk, "audit",
                        status->pid == 0
                            ? std::string("enabled, no owner")
                            : absl::StrCat("enabled, owner ", status->pid, " ",
                                           Line(absl::StrCat("/proc/", status->pid, "/comm")))});
  }
  if (status->enabled == 2) {
    findings.push_back({Health::kWarn, "audit -e 2", "rules are locked until the next boot",
                        "remove -e 2 from /etc/audit/rules.d, then reboot"});
  }
  if (status->lost == 0) {
    findings.push_back({Health::kOk, "audit lost", "none since boot"});
  } else {
    findings.push_back({Health::kWarn, "audit lost", absl::StrCat(status->lost, " since boot"),
                        "auditctl -b 8192; then auditctl --reset-lost"});
  }
  return findings;
}

std::vector<Finding> Listeners() {
  std::vector<std::string> others;
  bool journald = false;
  for (const std::string& listener : AuditListeners()) {
    if (absl::StartsWith(listener, "cairn")) continue;
    // PID 1 holds journald's socket for it.
    const bool journal =
        absl::StartsWith(listener, "systemd-journal") || absl::StartsWith(listener, "systemd (1)");
    journald |= journal;
    if (!journal) others.push_back(listener);
  }
  std::vector<Finding> findings;
  if (journald) {
    findings.push_back({Health::kWarn, "journald", "copies every audit record to the journal",
                        "systemctl mask --now systemd-journald-audit.socket"});
  } else {
    findings.push_back({Health::kOk, "journald", "its audit socket is closed"});
  }
  if (others.empty()) {
    findings.push_back({Health::kOk, "audit consumers", "no other"});
  } else {
    findings.push_back({Health::kWarn, "audit consumers",
                        absl::StrCat(absl::StrJoin(others, ", "),
                                     ": cairn listens beside it, and counts loss as at least n"),
                        "systemctl disable --now auditd (if cairn replaces it)"});
  }
  return findings;
}

Finding Clock() {
  timex state = {};
  ::adjtimex(&state);
  if (absl::ToUnixSeconds(absl::Now()) < kYear2025) {
    return {Health::kFail, "clock", absl::StrCat("says ", absl::FormatTime(absl::Now())),
            "timedatectl set-ntp true"};
  }
  if ((state.status & STA_UNSYNC) != 0) {
    return {Health::kWarn, "clock", "not synchronised", "timedatectl set-ntp true"};
  }
  return {Health::kOk, "clock", "synchronised"};
}

}  // namespace

std::vector<Finding> ExamineKernel() {
  std::vector<Finding> findings = {Btf(), BpfLsm(), Lockdown(), BpfMount(), BootParameter()};
  for (const auto& part : {Audit(), Listeners()}) {
    findings.insert(findings.end(), part.begin(), part.end());
  }
  findings.push_back(Clock());
  return findings;
}

}  // namespace cairn::cli
