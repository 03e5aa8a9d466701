// What a program says to its operator: one line on stderr, with a syslog priority
// prefix (sd-daemon(3)) when the journal reads it.
#ifndef CAIRN_BASE_LOG_H_
#define CAIRN_BASE_LOG_H_

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cairn {

enum class LogLevel { kError = 3, kWarning = 4, kInfo = 6, kDebug = 7 };

// Lines above `level` are not written. Default kInfo. Call before threads start.
void SetLogLevel(LogLevel level);

// Writes one line. Control characters in `message` are escaped. Any thread.
void LogLine(LogLevel level, absl::string_view message);

template <typename... Args>
void LogError(const Args&... args) {
  LogLine(LogLevel::kError, absl::StrCat(args...));
}
template <typename... Args>
void LogWarning(const Args&... args) {
  LogLine(LogLevel::kWarning, absl::StrCat(args...));
}
template <typename... Args>
void LogInfo(const Args&... args) {
  LogLine(LogLevel::kInfo, absl::StrCat(args...));
}

}  // namespace cairn

#endif  // CAIRN_BASE_LOG_H_
