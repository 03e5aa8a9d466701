#include "agent/capture/audit_control.h"

#include <libaudit.h>
#include <poll.h>
#include <signal.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);

// libaudit answers a negative errno, or a positive sequence number.
absl::Status FromLibaudit(int result, absl::string_view what) {
  if (result >= 0) return absl::OkStatus();
  return ErrnoStatus(-result, absl::StrCat("audit: ", what));
}

// The next reply, or Unavailable after the patience ran out.
absl::Status NextReply(int fd, absl::Time deadline, audit_reply* reply) {
  for (;;) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::UnavailableError("audit: no answer in a second");
    pollfd waiting = {.fd = fd, .events = POLLIN};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) continue;
    const int result = audit_get_reply(fd, reply, GET_REPLY_NONBLOCKING, 0);
    if (result > 0) return absl::OkStatus();
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
      return FromLibaudit(result, "read the answer");
    }
  }
}

// The kernel notices that its daemon has gone when it next has something to tell it.
uint32_t Living(uint32_t pid) {
  const bool gone = pid != 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
  return gone ? 0 : pid;
}

}  // namespace

absl::StatusOr<AuditControl> AuditControl::Open() {
  set_aumessage_mode(MSG_QUIET, DBG_NO);
  const int fd = audit_open();
  if (fd < 0) {
    if (errno == EINVAL || errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT) {
      return absl::NotFoundError("audit: this kernel has none");
    }
    return ErrnoStatus(errno, "audit: open the control socket");
  }
  return AuditControl(Fd(fd));
}

absl::StatusOr<AuditKernelState> AuditControl::Read() {
  RETURN_IF_ERROR(FromLibaudit(audit_request_status(fd_.get()), "ask for the status"));
  const absl::Time deadline = absl::Now() + kPatience;
  for (audit_reply reply;;) {
    RETURN_IF_ERROR(NextReply(fd_.get(), deadline, &reply));
    if (reply.type == NLMSG_ERROR && reply.error != nullptr && reply.error->error != 0) {
      return FromLibaudit(reply.error->error, "ask for the status");
    }
    if (reply.type != AUDIT_GET || reply.status == nullptr) continue;
    return AuditKernelState{.enabled = reply.status->enabled,
                            .pid = Living(reply.status->pid),
                            .backlog_limit = reply.status->backlog_limit,
                            .backlog_wait_time = reply.status->backlog_wait_time,
                            .lost = reply.status->lost,
                            .backlog = reply.status->backlog};
  }
}

absl::Status AuditControl::SetEnabled(uint32_t enabled) {
  return FromLibaudit(audit_set_enabled(fd_.get(), enabled),
                      absl::StrCat("set enabled to ", enabled));
}

absl::Status AuditControl::SetBacklogLimit(uint32_t records) {
  return FromLibaudit(audit_set_backlog_limit(fd_.get(), records),
                      absl::StrCat("set the backlog limit to ", records));
}

absl::Status AuditControl::SetBacklogWaitTime(uint32_t ticks) {
  return FromLibaudit(audit_set_backlog_wait_time(fd_.get(), ticks),
                      absl::StrCat("set the backlog wait time to ", ticks));
}

absl::Status AuditControl::ReleaseOwnership() {
  return FromLibaudit(audit_set_pid(fd_.get(), 0, WAIT_NO), "give up the socket");
}

absl::StatusOr<std::vector<std::string>> AuditControl::ReadRules() {
  constexpr size_t kMaxRules = 4096;
  RETURN_IF_ERROR(FromLibaudit(audit_request_rules_list_data(fd_.get()), "ask for the rules"));
  const absl::Time deadline = absl::Now() + kPatience;
  std::vector<std::string> rules;
  for (audit_reply reply; rules.size() < kMaxRules;) {
    RETURN_IF_ERROR(NextReply(fd_.get(), deadline, &reply));
    if (reply.type == NLMSG_DONE) break;
    if (reply.type == NLMSG_ERROR && reply.error != nullptr && reply.error->error != 0) {
      return FromLibaudit(reply.error->error, "ask for the rules");
    }
    if (reply.type != AUDIT_LIST_RULES || reply.ruledata == nullptr) continue;
    const size_t room = sizeof(reply.msg.data);
    const size_t size = sizeof(audit_rule_data) + reply.ruledata->buflen;
    rules.emplace_back(reinterpret_cast<const char*>(reply.ruledata), size < room ? size : room);
  }
  return rules;
}

absl::Status AuditControl::SendCanary(uint64_t nonce) {
  const std::string message = absl::StrCat("op=cairn-canary nonce=", nonce);
  return FromLibaudit(audit_log_user_message(fd_.get(), AUDIT_TEST, message.c_str(), nullptr,
                                             nullptr, nullptr, 1) > 0
                          ? 1
                          : -errno,
                      "send the canary");
}

}  // namespace cairn::capture
