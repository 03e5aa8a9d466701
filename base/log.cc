#include "base/log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/escape.h"

namespace cairn {
namespace {

LogLevel g_level = LogLevel::kInfo;

// systemd sets JOURNAL_STREAM for services whose stderr is the journal.
bool JournalReads() {
  static const bool reads = std::getenv("JOURNAL_STREAM") != nullptr;
  return reads;
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }

void LogLine(LogLevel level, absl::string_view message) {
  if (level > g_level) return;
  const std::string prefix = JournalReads() ? absl::StrCat("<", static_cast<int>(level), ">")
                             : level == LogLevel::kError   ? "error: "
                             : level == LogLevel::kWarning ? "warning: "
                                                           : "";
  const std::string line = absl::StrCat(prefix, EscapeBytes(message), "\n");
  // One write per line, so that lines of two threads do not mix.
  while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace cairn
