#include "agent/policy_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace cairn::agent {
namespace {

constexpr uint32_t kChanges = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB |
                              IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kInPlace = IN_CREATE | IN_MOVED_TO;

std::string ParentOf(const std::string& dir) {
  const size_t slash = dir.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : dir.substr(0, slash);
}

}  // namespace

PolicyWatch::PolicyWatch(const std::string& dir)
    : dir_(dir),
      name_(dir.substr(dir.find_last_of('/') + 1)),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  parent_watch_ = ::inotify_add_watch(inotify_.get(), ParentOf(dir).c_str(), kInPlace | IN_ONLYDIR);
  WatchDirectory();
  if (watch_ < 0 && parent_watch_ < 0) {
    LogWarning(dir, ": changes are not seen (inotify: ", std::strerror(errno),
               "); tell cairnd of them by SIGHUP or `cairn policy load`");
  }
}

void PolicyWatch::WatchDirectory() {
  watch_ =
      ::inotify_add_watch(inotify_.get(), dir_.c_str(), kChanges | IN_ONLYDIR | IN_DONT_FOLLOW);
}

void PolicyWatch::Read(uint64_t now_ns) {
  alignas(inotify_event) char buffer[4096];
  bool changed = false;
  for (;;) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof(buffer));
    if (n <= 0) break;
    const inotify_event* event = nullptr;
    for (const char* at = buffer; at < buffer + n; at += sizeof(*event) + event->len) {
      event = reinterpret_cast<const inotify_event*>(at);
      const bool placed = event->wd == parent_watch_ && event->len > 0 && name_ == event->name;
      if (placed) WatchDirectory();
      const bool hidden = event->len > 0 && event->name[0] == '.';  // being written
      const bool inside = event->wd == watch_ && (event->mask & IN_IGNORED) == 0 && !hidden;
      changed |= placed || inside || (event->mask & IN_Q_OVERFLOW) != 0;
    }
  }
  if (!changed) return;
  if (first_ns_ == 0) first_ns_ = now_ns;
  last_ns_ = now_ns;
}

uint64_t PolicyWatch::due_ns() const {
  if (first_ns_ == 0) return UINT64_MAX;
  return std::min(last_ns_ + kQuietNs, first_ns_ + kLatestNs);
}

}  // namespace cairn::agent
