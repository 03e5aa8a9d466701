#include "policy/event_line.h"

#include <string.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

constexpr uint32_t kUnset = 0xFFFFFFFF;

std::string NameOf(const Process& process) {
  absl::string_view name = process.comm();
  if (name.empty()) {
    name = process.exe();
    name = name.substr(name.find_last_of('/') + 1);
  }
  return absl::StrCat(name, "[", process.pid(), "]");
}

std::string ResultOf(const Record& record) {
  if (record.has_exit_code()) {
    const int code = record.exit_code();
    const int signal = code & 0x7f;
    if (signal == 0) return absl::StrCat("exit ", code >> 8 & 0xff);
    const char* name = ::sigabbrev_np(signal);
    return absl::StrCat("SIG", name != nullptr ? name : absl::StrCat(signal));
  }
  if (record.has_ret()) return record.ret() < 0 ? ErrnoName(-record.ret()) : "ok";
  if (record.outcome() == OUTCOME_SUCCESS) return "ok";
  if (record.outcome() == OUTCOME_FAILURE) return "failed";
  return "-";
}

}  // namespace

std::string ErrnoName(int64_t error) {
  const char* name =
      error > 0 && error < 4096 ? ::strerrorname_np(static_cast<int>(error)) : nullptr;
  return name != nullptr ? name : absl::StrCat(-error);
}

std::string DescribeUser(const Process& process) {
  const bool logged_in = process.auid() != kUnset;
  std::string login = process.user();
  if (login.empty()) login = absl::StrCat(logged_in ? process.auid() : process.uid());
  if (!logged_in || process.euid() == process.auid()) return login;
  return absl::StrCat(login, "=", process.euid() == 0 ? "root" : absl::StrCat(process.euid()));
}

EventLine DescribeEvent(const ledger::LoggedRecord& logged) {
  const Record& record = *logged.record;
  EventLine line;
  line.event = std::string(EventName(record.type()));
  if (logged.process != nullptr) {
    line.who = EscapeBytes(DescribeUser(*logged.process));
    line.process = EscapeBytes(NameOf(*logged.process));
  }
  line.object = EscapeBytes(DescribeObject(record, logged.process));
  line.result = ResultOf(record);
  line.rules = EscapeBytes(absl::StrJoin(logged.rules, ","));
  return line;
}

}  // namespace cairn::policy
