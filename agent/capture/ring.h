// The reading end of one BPF ring buffer, mapped: records are handed out in place.
#ifndef CAIRN_AGENT_CAPTURE_RING_H_
#define CAIRN_AGENT_CAPTURE_RING_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::capture {

// One consumer, one thread. Layout: kernel/bpf/ringbuf.c.
class Ring {
 public:
  // Maps the ring of `map_fd` (not owned), `bytes` long (a power of two).
  static absl::StatusOr<Ring> Map(int map_fd, size_t bytes);
  Ring(Ring&& other) noexcept;
  Ring& operator=(Ring&&) = delete;
  ~Ring();

  // The oldest record that is complete and was not passed; empty: none. Valid until
  // the next Peek() or Release().
  absl::string_view Peek();
  // Passes the record Peek() gave.
  void Advance();
  // Gives the space of all passed records back to the kernel.
  void Release();
  // Do passed records that were not released take a quarter of the ring?
  bool HoldsMuch() const { return position_ - released_ > bytes_ / 4; }
  // Is there anything not passed, complete or not?
  bool HasData() const;
  uint64_t consumed() const { return position_; }  // bytes, ever

 private:
  Ring(void* consumer, const void* producer, size_t bytes);

  void* consumer_;        // one page: the position up to which we have read
  const void* producer_;  // one page, then the data twice in a row
  const char* data_;
  size_t bytes_;
  uint64_t position_ = 0;
  uint64_t released_ = 0;
  size_t peeked_ = 0;  // bytes that Advance() passes
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_RING_H_
