#include "agent/capture/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "bpf/event_maps.h"

namespace cairn::capture {
namespace {

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

absl::StatusOr<Ring> Ring::Map(int map_fd, size_t bytes) {
  void* consumer = mmap(nullptr, PageBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (consumer == MAP_FAILED) return ErrnoStatus(errno, "map the ring's consumer page");
  void* producer = mmap(nullptr, PageBytes() + 2 * bytes, PROT_READ, MAP_SHARED, map_fd,
                        static_cast<off_t>(PageBytes()));
  if (producer == MAP_FAILED) {
    const int error = errno;
    munmap(consumer, PageBytes());
    return ErrnoStatus(error, "map the ring's data");
  }
  return Ring(static_cast<uint64_t*>(consumer), static_cast<const uint64_t*>(producer), bytes);
}

Ring::Ring(uint64_t* consumer, const uint64_t* producer, size_t bytes)
    : consumer_(consumer),
      producer_(producer),
      data_(reinterpret_cast<const char*>(producer) + PageBytes()),
      bytes_(bytes) {
  position_ = written_ = released_ = __atomic_load_n(consumer_, __ATOMIC_ACQUIRE);
}

Ring::Ring(const Lane& lane, size_t bytes) : Ring(lane.tail, lane.head, bytes) {
  data_ = lane.chunks;
  chunk_bytes_ = lane.chunk_bytes;
  chunk_bits_ = std::countr_zero(lane.chunk_bytes);
}

Ring::Ring(Ring&& other) noexcept
    : consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(std::exchange(other.producer_, nullptr)),
      data_(other.data_),
      bytes_(other.bytes_),
      chunk_bytes_(other.chunk_bytes_),
      chunk_bits_(other.chunk_bits_),
      position_(other.position_),
      written_(other.written_),
      released_(other.released_),
      after_(other.after_),
      moved_(other.moved_) {}

Ring::~Ring() {
  if (consumer_ == nullptr || chunk_bytes_ != 0) return;
  munmap(consumer_, PageBytes());
  munmap(const_cast<uint64_t*>(producer_), PageBytes() + 2 * bytes_);
}

bool Ring::HasData() const { return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) != position_; }

bool Ring::Reached() {
  if (position_ == written_) written_ = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
  return position_ == written_;
}

absl::string_view Ring::Peek() { return chunk_bytes_ == 0 ? PeekBuffer() : PeekLane(); }

absl::string_view Ring::PeekBuffer() {
  while (!Reached()) {
    const char* at = data_ + (position_ & (bytes_ - 1));
    const uint32_t head = __atomic_load_n(reinterpret_cast<const uint32_t*>(at), __ATOMIC_ACQUIRE);
    if (head & BPF_RINGBUF_BUSY_BIT) return {};
    const size_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    after_ = position_ + ((size + BPF_RINGBUF_HDR_SZ + 7) & ~size_t{7});
    if (!(head & BPF_RINGBUF_DISCARD_BIT)) return {at + BPF_RINGBUF_HDR_SZ, size};
    Advance();
  }
  return {};
}

absl::string_view Ring::PeekLane() {
  if (Reached()) return {};
  const size_t chunk = (position_ & (bytes_ - 1)) >> chunk_bits_;
  const char* at = data_ + chunk * (chunk_bytes_ + LANE_SLACK) + (position_ & (chunk_bytes_ - 1));
  uint64_t size = 0;
  memcpy(&size, at, sizeof(size));
  after_ = lane_after(position_, size, chunk_bytes_);
  // Somebody has moved a position. What cannot be read is missing from what was produced.
  const uint64_t waiting = written_ - position_;
  if (size < sizeof(event_header) || size > EVENT_BYTES || waiting > bytes_ ||
      after_ - position_ > waiting) {
    position_ = written_;
    moved_ = true;
    return {};
  }
  return {at + LANE_HEADER, size};
}

bool Ring::WasMoved() {
  PutBack();
  return std::exchange(moved_, false);
}

void Ring::PutBack() {
  if (__atomic_load_n(consumer_, __ATOMIC_RELAXED) == released_) return;
  __atomic_store_n(consumer_, released_, __ATOMIC_RELEASE);
  moved_ = true;
}

void Ring::Release() {
  if (released_ == position_) return;
  PutBack();
  released_ = position_;
  __atomic_store_n(consumer_, position_, __ATOMIC_RELEASE);
}

}  // namespace cairn::capture
