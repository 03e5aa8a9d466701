// The reading end of one ring, mapped: records are handed out in place.
#ifndef CAIRN_AGENT_CAPTURE_RING_H_
#define CAIRN_AGENT_CAPTURE_RING_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::capture {

// A lane (bpf/event_maps.h), in memory of somebody who outlives its Ring.
struct Lane {
  uint64_t* tail;
  const uint64_t* head;
  const char* chunks;
  size_t chunk_bytes;  // a power of two, as is the whole; LANE_SLACK more from one to the next
};

// One consumer, one thread.
class Ring {
 public:
  // Maps the BPF ring buffer of `map_fd` (not owned), `bytes` long (a power of two). Layout:
  // kernel/bpf/ringbuf.c.
  static absl::StatusOr<Ring> Map(int map_fd, size_t bytes);
  // `bytes` of `lane`.
  Ring(const Lane& lane, size_t bytes);
  Ring(Ring&& other) noexcept;
  Ring& operator=(Ring&&) = delete;
  ~Ring();

  // The oldest record that is complete and was not passed; empty: none. Valid until
  // the next Peek() or Release().
  absl::string_view Peek();
  // Passes the record Peek() gave.
  void Advance() { position_ = after_; }
  // Gives the space of all passed records back to the kernel.
  void Release();
  // Do passed records that were not released take a quarter of the ring?
  bool HoldsMuch() const { return position_ - released_ > bytes_ / 4; }
  // Is there anything not passed, complete or not?
  bool HasData() const;
  // Has somebody else moved one of the positions since the last question? Ours is put back.
  bool WasMoved();

 private:
  Ring(uint64_t* consumer, const uint64_t* producer, size_t bytes);

  void PutBack();
  bool Reached();  // Is nothing known that was not passed? Looks anew only then.
  absl::string_view PeekBuffer();
  absl::string_view PeekLane();

  uint64_t* consumer_;        // the position up to which we have read ...
  const uint64_t* producer_;  // ... and the kernel has written; of a ring buffer a page each
  const char* data_;          // of a ring buffer twice in a row, after the producer's page
  size_t bytes_;
  size_t chunk_bytes_ = 0;  // 0: a ring buffer
  int chunk_bits_ = 0;
  uint64_t position_ = 0;
  uint64_t written_ = 0;  // up to where the kernel had written, when last looked at
  uint64_t released_ = 0;
  uint64_t after_ = 0;  // where Advance() goes
  bool moved_ = false;  // not yet told
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_RING_H_
