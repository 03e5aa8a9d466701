// Taking over from a run of cairnd that ended without settling what it had written: its rings
// are handed out again from there, and what the log already holds must not stand in it twice.
#ifndef CAIRN_AGENT_RESUME_H_
#define CAIRN_AGENT_RESUME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "agent/capture/capture.h"

namespace cairn::agent {

// Capture thread only.
class Resume {
 public:
  // Reads the records of `log_dir` that this boot made at or after `from_ns` (boot time).
  absl::Status Read(const std::string& log_dir, const std::string& boot_id, uint64_t from_ns);

  // Losses and limits among them, oldest first: for Capture::Told.
  const std::vector<Record>& told() const { return told_; }

  // Does the log hold this event already? Each is answered for once.
  bool Recorded(const capture::Captured& captured);

 private:
  // A cpu does one thing at a time: time, cpu and type name an event.
  struct Key {
    uint64_t time_ns;
    uint32_t cpu;
    uint32_t type;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.time_ns, key.cpu, key.type);
    }
  };

  absl::flat_hash_set<Key> recorded_;
  std::vector<Record> told_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_RESUME_H_
