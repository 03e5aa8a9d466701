#include "agent/capture/bpf_error.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

std::string* LastWords() {
  static auto* words = new std::string;
  return words;
}

int KeepWarning(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int length = vsnprintf(line, sizeof(line), format, args);
  if (length > 0 && LastWords()->empty()) {
    *LastWords() = std::string(absl::StripSuffix(line, "\n"));
  }
  return 0;
}

}  // namespace

void ListenToLibbpf() {
  LastWords()->clear();
  libbpf_set_print(KeepWarning);
}

const std::string& LibbpfSaid() { return *LastWords(); }

absl::Status BpfError(int error, absl::string_view what) {
  absl::Status status = ErrnoStatus(error < 0 ? -error : error, what);
  if (LastWords()->empty()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), " (", *LastWords(), ")"));
}

}  // namespace cairn::capture
