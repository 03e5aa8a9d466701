#include "agent/own_traffic.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::agent {
namespace {

constexpr uint32_t kChanges = 2 | 4 | 8 | 16;  // access bits: write, append, truncate, create

// Of the directory that this program was started from.
std::string Beside(absl::string_view name) {
  char self[4096];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof(self));
  const absl::string_view path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return absl::StrCat(path.substr(0, path.find_last_of('/') + 1), name);
}

bool Reads(const Record& record) {
  switch (record.type()) {
    case FILE_OPEN:
      return (record.file().access() & kChanges) == 0;
    case FILE_READ:
    case FILE_CLOSE:
    case FILE_MMAP:
      return true;
    default:
      return false;
  }
}

bool IsFileEvent(EventType type) { return type >= FILE_OPEN && type <= FILE_PIPE; }

}  // namespace

OwnTraffic::OwnTraffic(const std::string& log_dir)
    : log_dir_(log_dir), shipper_(Beside("cairn-shipper")) {}

bool OwnTraffic::OnLog(const std::string& path) const {
  return absl::StartsWith(absl::string_view(path), absl::string_view(log_dir_)) &&
         (path.size() == log_dir_.size() || path[log_dir_.size()] == '/');
}

bool OwnTraffic::Is(const capture::Captured& captured) const {
  const Record& record = *captured.record;
  if (captured.subject == nullptr || !IsFileEvent(record.type())) return false;
  if (captured.subject->process.exe() != shipper_ || !OnLog(record.file().path())) return false;
  return Reads(record) || record.file().path().find("/receipts/") != std::string::npos;
}

}  // namespace cairn::agent
