#include "agent/capture/canary.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace cairn::capture {
namespace {

constexpr uint32_t kBeatsBesideOthers = 6;

uint64_t LostOf(const AuditCounters& counters) {
  return counters.kernel_lost + counters.serials_lost + counters.overruns;
}

// To what they are.
void SetOwnCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) == 0) ::syscall(SYS_capset, &header, data);
}

}  // namespace

void Canary::Sent(uint64_t lost) {
  state_ = State::kPending;
  lost_ = lost;
}

void Canary::Seen() {
  if (state_ == State::kPending) state_ = State::kSeen;
}

std::string Canary::Judge(uint64_t lost, std::vector<std::string>* alarms) {
  if (state_ == State::kNone) return absl::StrCat(way_, " not tried");
  if (state_ == State::kSeen) {
    missing_ = false;
    return absl::StrCat(way_, " seen");
  }
  if (lost != lost_) return absl::StrCat(way_, " lost");
  if (!std::exchange(missing_, true)) {
    alarms->push_back(absl::StrCat("an act of our own was not seen through ", way_));
  }
  return absl::StrCat(way_, " missing");
}

std::string Canaries::Beat(bool bpf, uint64_t bpf_lost, AuditSource* audit) {
  if (audit->canary_seen()) audit_.Seen();
  const uint64_t audit_lost = LostOf(audit->counters());
  const bool try_audit = audit->mode() == "unicast" ||
                         (audit->mode() == "multicast" && beats_ % kBeatsBesideOthers == 0);
  ++beats_;
  std::string text = absl::StrCat(bpf_.Judge(bpf_lost, &alarms_), ", ");
  absl::StrAppend(&text, audit_.Judge(audit_lost, &alarms_));
  if (bpf) {
    bpf_.Sent(bpf_lost);
    acted_ = true;
    SetOwnCapabilities();
  }
  if (try_audit) {
    const absl::Status sent = audit->SendCanary();
    if (!sent.ok()) LogWarning("no canary through audit: ", sent.message());
    audit_.Sent(audit_lost);
  }
  return text;
}

bool Canaries::Take(const EventView& view) {
  if (!acted_ || view.header.layout != LAYOUT_CRED || view.header.call != CALL_CAPSET ||
      view.header.pid != static_cast<uint32_t>(::getpid())) {
    return false;
  }
  acted_ = false;
  bpf_.Seen();
  return true;
}

}  // namespace cairn::capture
