#include "agent/capture/users.h"

#include <sys/stat.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/io.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kLookEveryNs = 1'000'000'000;
constexpr size_t kMaxBytes = 8 << 20;

}  // namespace

absl::string_view Users::Name(uint32_t uid, uint64_t now_ns) {
  if (looked_ns_ == 0 || now_ns > looked_ns_ + kLookEveryNs) {
    looked_ns_ = now_ns;
    Reload();
  }
  const auto found = names_.find(uid);
  return found == names_.end() ? absl::string_view() : absl::string_view(found->second);
}

void Users::Reload() {
  struct stat status;
  if (stat(path_.c_str(), &status) != 0) return;
  const int64_t modified = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (modified == modified_ns_) return;
  modified_ns_ = modified;
  const auto text = ReadFile(path_, kMaxBytes);
  if (text.ok()) Parse(*text);
}

void Users::Parse(absl::string_view text) {
  names_.clear();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 3));
    uint32_t uid;
    if (fields.size() < 4 || fields[0].empty() || !absl::SimpleAtoi(fields[2], &uid)) continue;
    names_.try_emplace(uid, fields[0]);  // the first one counts, as in getpwuid(3)
  }
}

}  // namespace cairn::capture
