// All rings of all cpus, as one stream.
#ifndef CAIRN_AGENT_CAPTURE_RINGS_H_
#define CAIRN_AGENT_CAPTURE_RINGS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/mapped.h"
#include "agent/capture/ring.h"
#include "base/fd.h"
#include "bpf/event_maps.h"

namespace cairn::capture {

class Pins;

// "critical", "attempt", "packet", "normal", "bulk".
absl::string_view RingName(uint32_t ring);
uint32_t RingNumber(absl::string_view name);  // RINGS: none of them

// How rings of `bytes` are cut into the chunks of lanes (bpf/event_maps.h).
struct LaneShape {
  explicit LaneShape(uint32_t bytes);
  uint32_t chunk_bytes;
  uint32_t chunks;  // of one lane
};

// What rings can have: `asked`, or on machines of many cpus as much of it as the lanes of all of
// them fit with into 4 GiB, more than which older kernels do not map.
uint32_t FittingRingBytes(uint32_t asked, uint32_t cpus);

// Ring r of cpu c is number c * RINGS + r. One thread.
class Rings {
 public:
  struct Options {
    uint32_t bytes = 0;  // of each ring
    uint32_t cpus = 0;
    int outer = -1;                            // the map of ring buffers, not owned
    int lanes = -1;                            // the map of lanes, not owned
    const event_counters* counters = nullptr;  // of each cpu; outlive this, as do marks
    event_marks* marks = nullptr;
    bool left = false;           // a run before this one left its rings in `pins`
    const Pins* pins = nullptr;  // null: nothing is pinned; outlives this
  };

  Rings() = default;
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;

  // Takes over or makes each ring, and maps it.
  absl::Status Open(const Options& options);
  // Passes what is no record.
  void Skip();

  // Hands out the records up to `limit_ns`, in time order; each is valid inside the callback.
  // Returns how many. full(): it stopped, because a ring holds much that was not released.
  size_t Drain(uint64_t limit_ns, absl::FunctionRef<void(absl::string_view)> sink);
  bool full() const { return full_; }
  // The room of all that was handed out is the kernel's again.
  void Release();

  // Puts back what is not in the map, or not pinned, any more, and positions that were moved, and
  // says so: a ring that is not in the table takes nothing in, all for it would be lost.
  void Repair(absl::FunctionRef<void(const std::string&)> sink);

  bool HasData() const;
  uint64_t OldestNs();  // of all records that wait; UINT64_MAX: none
  uint64_t taken(uint32_t i) const { return streams_[i].taken; }
  const std::vector<Fd>& fds() const { return fds_; }  // of ring buffers

 private:
  // One ring as a stream for Merge.
  struct Stream {
    Ring ring;
    bool* full;  // of all streams: enough was handed out, let it be settled
    absl::string_view head = {};
    uint64_t taken = 0;

    bool Head(uint64_t* time_ns);
    template <typename Sink>
    void Take(Sink& sink);
  };

  absl::Status OpenBuffer(uint32_t cpu, uint32_t ring);
  void OpenLane(uint32_t cpu, uint32_t lane);
  absl::Status MapLanes();
  absl::StatusOr<Fd> BufferOf(uint32_t i) const;

  Options options_;
  Mapped<const char> lanes_;
  std::vector<Fd> fds_;
  std::vector<Stream> streams_;
  std::vector<std::pair<uint64_t, uint32_t>> heap_;
  bool full_ = false;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_RINGS_H_
