#include "tests/capture/kernel_audit.h"

#include <fcntl.h>
#include <libaudit.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn::capture {
namespace {

// There were no rules before.
void DeleteRules(const std::vector<std::string>& rules) {
  const int fd = audit_open();
  for (const std::string& bytes : rules) {
    std::vector<uint64_t> aligned(bytes.size() / 8 + 1);
    std::memcpy(aligned.data(), bytes.data(), bytes.size());
    auto* rule = reinterpret_cast<audit_rule_data*>(aligned.data());
    audit_delete_rule_data(fd, rule, static_cast<int>(rule->flags), static_cast<int>(rule->action));
  }
  close(fd);
}

void PutBack(const AuditKernelState& before) {
  absl::StatusOr<AuditControl> control = AuditControl::Open();
  if (!control.ok()) return;
  const auto rules = control->ReadRules();
  if (rules.ok()) DeleteRules(*rules);
  (void)control->ReleaseOwnership();
  (void)control->SetBacklogLimit(before.backlog_limit);
  (void)control->SetBacklogWaitTime(before.backlog_wait_time);
  (void)control->SetEnabled(before.enabled);
}

}  // namespace

KernelAudit::KernelAudit() {
  if (geteuid() != 0) {
    reason_ = "needs root";
    return;
  }
  lock_ = Fd(open("/run/lock/cairn-kernel-audit.lock", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock_.valid() || flock(lock_.get(), LOCK_EX) != 0) {
    reason_ = "cannot lock /run/lock/cairn-kernel-audit.lock";
    return;
  }
  absl::StatusOr<AuditControl> control = AuditControl::Open();
  if (!control.ok()) {
    reason_ = std::string(control.status().message());
    return;
  }
  control_ = std::make_unique<AuditControl>(*std::move(control));
  const auto state = control_->Read();
  const auto rules = control_->ReadRules();
  if (!state.ok() || !rules.ok()) {
    reason_ = std::string((state.ok() ? rules.status() : state.status()).message());
  } else if (state->pid != 0 || state->enabled == 2 || !rules->empty()) {
    reason_ = absl::StrCat("kernel audit is in use: pid ", state->pid, ", enabled ", state->enabled,
                           ", ", rules->size(), " rules");
  } else {
    before_ = *state;
    StartWatcher();
  }
}

KernelAudit::~KernelAudit() {
  if (watcher_ < 0) return;
  alive_.Reset();
  waitpid(watcher_, nullptr, 0);
}

void KernelAudit::StartWatcher() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    reason_ = "no pipe";
    return;
  }
  watcher_ = fork();
  if (watcher_ == 0) {
    setsid();  // a Ctrl-C for the test is not for us
    close(ends[1]);
    char byte;
    while (read(ends[0], &byte, 1) > 0) {
    }
    PutBack(before_);
    _exit(0);
  }
  close(ends[0]);
  alive_ = Fd(ends[1]);
}

}  // namespace cairn::capture
