// Notices that policy files changed: inotify(7) on their directory, and on the one above it, since
// a whole directory may be put in its place.
#ifndef CAIRN_AGENT_POLICY_WATCH_H_
#define CAIRN_AGENT_POLICY_WATCH_H_

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace cairn::agent {

// Says when to look again, not what changed: which files count is the load's to find out.
// Capture thread only.
class PolicyWatch {
 public:
  // A change is due when nothing more came for so long, and at the latest after kLatestNs: several
  // files are seldom written at once.
  static constexpr uint64_t kQuietNs = 1'000'000'000;
  static constexpr uint64_t kLatestNs = 10'000'000'000;

  // What cannot be watched is logged; wait_fd() is then never readable.
  explicit PolicyWatch(const std::string& dir);

  int wait_fd() const { return inotify_.get(); }

  // Takes in what the kernel tells. Times are CLOCK_BOOTTIME.
  void Read(uint64_t now_ns);
  // When a change is due; UINT64_MAX: there is none.
  uint64_t due_ns() const;
  void Forget() { first_ns_ = last_ns_ = 0; }  // the change that is due is being looked at

 private:
  void WatchDirectory();

  const std::string dir_;
  const std::string name_;  // last part of dir_
  const Fd inotify_;
  int parent_watch_ = -1;
  int watch_ = -1;
  uint64_t first_ns_ = 0;
  uint64_t last_ns_ = 0;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_POLICY_WATCH_H_
