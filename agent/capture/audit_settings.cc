#include "agent/capture/audit_settings.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/host.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr size_t kMaxBytes = 4096;

}  // namespace

void AuditSettings::Adopt() {
  if (dir_.empty()) return;
  const std::string path = absl::StrCat(dir_, "/", kName);
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxBytes);
  if (absl::IsNotFound(bytes.status())) return;
  config::SavedAuditSettings saved;
  if (!bytes.ok() || !saved.ParseFromString(*bytes)) {
    LogWarning(path, ": cannot be read: the audit settings of now are taken for the original");
  } else if (saved.boot_id() == BootId()) {
    saved_ = std::move(saved);
  }
}

// write(audit-settings) fdatasync rename fsync, and only then is the kernel told.
void AuditSettings::Note(Setting* setting, uint32_t before, uint32_t now) {
  setting->set_before(before);
  setting->set_now(now);
  if (dir_.empty()) return;
  saved_.set_boot_id(BootId());
  const absl::Status written =
      WriteFileDurably(Io::Real(), dir_, kName, saved_.SerializeAsString(), 0600);
  if (!written.ok()) {
    LogWarning("a crash would forget the original audit settings: ", written.message());
  }
}

void AuditSettings::Forget() {
  saved_.Clear();
  if (dir_.empty()) return;
  const std::string path = absl::StrCat(dir_, "/", kName);
  if (::unlink(path.c_str()) == 0) (void)SyncDirectory(Io::Real(), dir_);
}

absl::Status AuditSettings::ApplyEnabled(AuditControl* control) {
  ASSIGN_OR_RETURN(const AuditKernelState now, control->Read());
  if (now.enabled != 0) return absl::OkStatus();
  Note(saved_.mutable_enabled(), now.enabled, 1);
  return control->SetEnabled(1);
}

absl::Status AuditSettings::ApplyOwner(AuditControl* control, uint32_t backlog_limit,
                                       uint32_t backlog_wait_time) {
  ASSIGN_OR_RETURN(const AuditKernelState now, control->Read());
  if (now.enabled == 2) return absl::OkStatus();
  if (now.backlog_limit != 0 && now.backlog_limit < backlog_limit) {
    Note(saved_.mutable_backlog_limit(), now.backlog_limit, backlog_limit);
    RETURN_IF_ERROR(control->SetBacklogLimit(backlog_limit));
  }
  if (now.backlog_wait_time != backlog_wait_time) {
    Note(saved_.mutable_backlog_wait_time(), now.backlog_wait_time, backlog_wait_time);
    RETURN_IF_ERROR(control->SetBacklogWaitTime(backlog_wait_time));
  }
  return ApplyEnabled(control);
}

void AuditSettings::Restore(AuditControl* control) {
  const Setting& enabled = saved_.enabled();
  const Setting& limit = saved_.backlog_limit();
  const Setting& wait = saved_.backlog_wait_time();
  if (!saved_.has_enabled() && !saved_.has_backlog_limit() && !saved_.has_backlog_wait_time()) {
    return;
  }
  const absl::StatusOr<AuditKernelState> now = control->Read();
  absl::Status status = now.status();
  if (now.ok()) {
    if (saved_.has_enabled() && now->enabled == enabled.now() && now->pid == 0) {
      status.Update(control->SetEnabled(enabled.before()));
    }
    if (saved_.has_backlog_wait_time() && now->backlog_wait_time == wait.now()) {
      status.Update(control->SetBacklogWaitTime(wait.before()));
    }
    if (saved_.has_backlog_limit() && now->backlog_limit == limit.now()) {
      status.Update(control->SetBacklogLimit(limit.before()));
    }
  }
  if (!status.ok()) {
    LogWarning("audit settings were not put back: ", status.message());
    return;
  }
  Forget();
}

}  // namespace cairn::capture
