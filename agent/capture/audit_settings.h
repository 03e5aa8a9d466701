// What cairnd changes of the kernel's audit settings, and putting it back.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_SETTINGS_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_SETTINGS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "agent/capture/audit_control.h"
#include "proto/config.pb.h"

namespace cairn::capture {

// A setting is noted durably before it is changed, so that after a run that was killed the next
// one of the same boot knows the original. A setting that somebody else has changed since is left
// to them. One thread.
class AuditSettings {
 public:
  static constexpr char kName[] = "audit-settings";  // config::SavedAuditSettings

  // `dir`, which must exist: where it is noted; "": nowhere, and a crash forgets the original.
  explicit AuditSettings(std::string dir) : dir_(std::move(dir)) {}

  // Takes over what a run that was killed left noted. Call before Apply.
  void Adopt();

  // Applies what the owner of the socket needs: enabled 1, no waiting for us (a stopped agent
  // must not hold up the host), room for a burst. Settings of a locked kernel stay.
  absl::Status ApplyOwner(AuditControl* control, uint32_t backlog_limit,
                          uint32_t backlog_wait_time);
  // Only turns audit on.
  absl::Status ApplyEnabled(AuditControl* control);
  // Puts back what is still as Apply left it, and forgets it. Safe to call twice.
  void Restore(AuditControl* control);

 private:
  using Setting = config::SavedAuditSettings::Setting;

  void Note(Setting* setting, uint32_t before, uint32_t now);
  void Forget();

  const std::string dir_;
  config::SavedAuditSettings saved_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_SETTINGS_H_
