#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/human.h"

namespace cairn::cli {
namespace {

std::mutex g_progress;  // one bar at a time on one terminal

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

bool WantsColour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && (no_colour == nullptr || no_colour[0] == '\0') && term != nullptr &&
         std::strcmp(term, "dumb") != 0;
}

int TerminalColumns(int fd) {
  winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

size_t Columns(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !Continues(c); }));
}

std::string Fit(absl::string_view text, size_t columns) {
  if (Columns(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t end = 0;
  for (size_t left = columns; end < text.size(); ++end) {
    if (!Continues(text[end]) && left-- == 1) break;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

std::string Pad(absl::string_view text, size_t columns) {
  std::string padded = Fit(text, columns);
  padded.append(columns - Columns(padded), ' ');
  return padded;
}

std::string Paint(absl::string_view text, absl::string_view code, bool colour) {
  if (!colour || code.empty()) return std::string(text);
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

Progress::Progress(std::string what)
    : what_(std::move(what)), visible_(IsTerminal(STDERR_FILENO)) {}

Progress::~Progress() {
  if (visible_ && next_ms_ != 0) std::fputs("\r\x1b[K", stderr);
}

void Progress::Show(uint64_t done, uint64_t total) {
  if (!visible_ || total == 0) return;
  const std::lock_guard<std::mutex> lock(g_progress);
  const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  if (now_ms < next_ms_) return;
  next_ms_ = now_ms + 100;
  constexpr uint64_t kWidth = 30;
  const uint64_t filled = std::min(kWidth, kWidth * done / total);
  std::fputs(
      absl::StrFormat("\r%s [%s%s] %3d%% of %s\x1b[K", what_, std::string(filled, '='),
                      std::string(kWidth - filled, ' '), 100 * done / total, HumanBytes(total))
          .c_str(),
      stderr);
}

}  // namespace cairn::cli
