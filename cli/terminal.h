// What is shown only to a person: colours, columns that fit, progress.
#ifndef CAIRN_CLI_TERMINAL_H_
#define CAIRN_CLI_TERMINAL_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace cairn::cli {

// Whether `fd` is a terminal that takes colours ($NO_COLOR and TERM=dumb refuse them).
bool IsTerminal(int fd);
bool WantsColour(int fd);
int TerminalColumns(int fd);  // 80 when nobody knows

// Characters (not bytes) of `text`, valid UTF-8, each counted as one column.
size_t Columns(absl::string_view text);
// At most `columns` of `text`, the cut marked by "…".
std::string Fit(absl::string_view text, size_t columns);
// Fit, then filled with spaces to exactly `columns`.
std::string Pad(absl::string_view text, size_t columns);

// "\x1b[31m" … around `text` when `colour`; `code` is SGR: "31", "1;32".
std::string Paint(absl::string_view text, absl::string_view code, bool colour);

// A bar on stderr, at most every 100 ms, gone when destroyed; silent when stderr is no terminal.
// Any thread.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  void Show(uint64_t done, uint64_t total);

 private:
  const std::string what_;
  const bool visible_;
  uint64_t next_ms_ = 0;
};

}  // namespace cairn::cli

#endif  // CAIRN_CLI_TERMINAL_H_
