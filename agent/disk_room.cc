#include "agent/disk_room.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/segments.h"

namespace cairn::agent {
namespace {

constexpr uint64_t kDayNs = uint64_t{86400} * 1'000'000'000;
constexpr char kReserveName[] = "reserve";

}  // namespace

absl::string_view DiskStepName(DiskStep step) {
  constexpr absl::string_view kNames[] = {"normal", "floor-only", "reserve", "counts-only"};
  return kNames[static_cast<size_t>(step)];
}

absl::Status DiskRoom::Look(const std::string& dir, uint64_t wall_ns) {
  struct statvfs fs;
  if (::statvfs(dir.c_str(), &fs) != 0) return ErrnoStatus(errno, absl::StrCat("statvfs ", dir));
  free_bytes_ = uint64_t{fs.f_bavail} * fs.f_frsize;
  ASSIGN_OR_RETURN(const auto segments, ledger::ListSegments(dir));
  log_bytes_ = 0;
  for (const ledger::SegmentInfo& segment : segments) log_bytes_ += segment.file_bytes;
  first_epoch_ = segments.empty() ? 0 : segments.front().epoch;
  wish_ = {};
  wish_.keep_bytes = log_.keep_bytes();
  if (free_bytes_ < log_.min_free_bytes()) wish_.free_bytes = log_.min_free_bytes() - free_bytes_;
  if (log_.keep_days() > 0) wish_.oldest_wall_ns = wall_ns - log_.keep_days() * kDayNs;
  wants_room_ = log_bytes_ > wish_.keep_bytes || wish_.free_bytes > 0 || wish_.oldest_wall_ns > 0;
  return absl::OkStatus();
}

// With the reserve given up its bytes are free, and are for the floor's records. A step is left
// only when there is an eighth more room than it was entered for.
DiskStep DiskRoom::StepFor(uint64_t free_bytes) const {
  const uint64_t enough = log_.min_free_bytes();
  const auto below = [&](uint64_t limit, DiskStep step) {
    return free_bytes < limit + (step_ >= step ? limit / 8 : 0);
  };
  const uint64_t out_of_reserve = std::min(log_.reserve_bytes(), enough) / 8;
  if (step_ >= DiskStep::kReserve && below(out_of_reserve, DiskStep::kCountsOnly)) {
    return DiskStep::kCountsOnly;
  }
  const uint64_t tight =
      enough / 4 + (step_ >= DiskStep::kReserve ? log_.reserve_bytes() : uint64_t{0});
  if (below(tight, DiskStep::kReserve)) return DiskStep::kReserve;
  return below(enough, DiskStep::kFloorOnly) ? DiskStep::kFloorOnly : DiskStep::kNormal;
}

bool DiskRoom::TakeStep() {
  const DiskStep next = StepFor(free_bytes_);
  SetReserve(next < DiskStep::kReserve);
  return std::exchange(step_, next) != next;
}

void DiskRoom::SetReserve(bool wanted) {
  const std::string path = absl::StrCat(log_.dir(), "/", kReserveName);
  struct stat st;
  const bool there = ::lstat(path.c_str(), &st) == 0;
  if (!wanted) {
    if (there && ::unlink(path.c_str()) != 0) LogError("cannot give up ", path);
    return;
  }
  if (there && static_cast<uint64_t>(st.st_size) == log_.reserve_bytes()) return;
  // Not at the price of the room that is to stay free.
  if (free_bytes_ < log_.min_free_bytes() + log_.reserve_bytes()) return;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  const off_t size = static_cast<off_t>(log_.reserve_bytes());
  if (!fd.valid() || ::ftruncate(fd.get(), 0) != 0 || ::fallocate(fd.get(), 0, 0, size) != 0) {
    LogWarning(ErrnoStatus(errno, absl::StrCat("set aside ", path)).message());
    ::unlink(path.c_str());
  }
}

}  // namespace cairn::agent
