// A directory of a BPF file system where programs, rings and counters outlive the process.
#ifndef CAIRN_AGENT_CAPTURE_PINS_H_
#define CAIRN_AGENT_CAPTURE_PINS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"

namespace cairn::capture {

// One process at a time has a directory. One thread.
class Pins {
 public:
  // Makes `dir`, for root alone, and the mount of a BPF file system above it where there is
  // none; locks it. AlreadyExists: another process has it. PermissionDenied, NotFound and the
  // like: no pinning here.
  static absl::StatusOr<std::unique_ptr<Pins>> Claim(const std::string& dir);

  // What a run before this one left in `dir`, when it is whole and fits this program (its
  // event.h, rings as asked, as many cpus): its generation; else 0. Changes nothing.
  static uint32_t Left(const std::string& dir, uint32_t asked_ring_bytes);

  // The same; what does not fit is thrown away.
  uint32_t Inspect(uint32_t asked_ring_bytes);

  std::string Path(absl::string_view name) const;

  // Calls `sink` if nothing is pinned as `name` any more, and pins `fd` there again.
  void Repair(absl::string_view name, int fd,
              absl::FunctionRef<void(const std::string&)> sink) const;

  // Takes away all pins, or those whose names begin with "link_" and do not end in `suffix`.
  void Clear();
  void ClearOldLinks(absl::string_view suffix);

  const std::string& dir() const { return dir_; }

 private:
  explicit Pins(std::string dir) : dir_(std::move(dir)) {}

  template <typename Wanted>
  void Unlink(Wanted wanted);

  const std::string dir_;
  Fd lock_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_PINS_H_
