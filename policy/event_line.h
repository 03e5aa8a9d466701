// One record as a person reads it: who did what to which object, and how it ended.
#ifndef CAIRN_POLICY_EVENT_LINE_H_
#define CAIRN_POLICY_EVENT_LINE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "ledger/reader.h"

namespace cairn::policy {

// All text went through EscapeBytes.
struct EventLine {
  std::string event;    // "file.open"
  std::string who;      // "alice", "alice=root" (login user, then effective one)
  std::string process;  // "sshd[812]"
  std::string object;   // "/etc/shadow (read)"
  std::string result;   // "ok", "ENOENT", "-"
  std::string rules;    // "shadow-read"
};

EventLine DescribeEvent(const ledger::LoggedRecord& logged);

// The object alone: what the act was done to.
std::string DescribeObject(const Record& record, const Process* process);

// "alice", "alice=root": the login user, and whose rights are used where they differ. Not escaped.
std::string DescribeUser(const Process& process);

// "ENOENT" for 2; the number where it has no name.
std::string ErrnoName(int64_t error);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_EVENT_LINE_H_
