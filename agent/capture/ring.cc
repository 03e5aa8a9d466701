#include "agent/capture/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "base/status.h"

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
  return Ring(consumer, producer, bytes);
}

Ring::Ring(void* consumer, const void* producer, size_t bytes)
    : consumer_(consumer),
      producer_(producer),
      data_(static_cast<const char*>(producer) + PageBytes()),
      bytes_(bytes) {
  position_ = released_ = __atomic_load_n(static_cast<uint64_t*>(consumer_), __ATOMIC_ACQUIRE);
}

Ring::Ring(Ring&& other) noexcept
    : consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(std::exchange(other.producer_, nullptr)),
      data_(other.data_),
      bytes_(other.bytes_),
      position_(other.position_),
      released_(other.released_),
      peeked_(other.peeked_) {}

Ring::~Ring() {
  if (consumer_ == nullptr) return;
  munmap(consumer_, PageBytes());
  munmap(const_cast<void*>(producer_), PageBytes() + 2 * bytes_);
}

bool Ring::HasData() const {
  return __atomic_load_n(static_cast<const uint64_t*>(producer_), __ATOMIC_ACQUIRE) != position_;
}

absl::string_view Ring::Peek() {
  while (HasData()) {
    const char* at = data_ + (position_ & (bytes_ - 1));
    const uint32_t head = __atomic_load_n(reinterpret_cast<const uint32_t*>(at), __ATOMIC_ACQUIRE);
    if (head & BPF_RINGBUF_BUSY_BIT) return {};
    const size_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    peeked_ = (size + BPF_RINGBUF_HDR_SZ + 7) & ~size_t{7};
    if (!(head & BPF_RINGBUF_DISCARD_BIT)) return {at + BPF_RINGBUF_HDR_SZ, size};
    Advance();
  }
  return {};
}

void Ring::Advance() {
  position_ += peeked_;
  peeked_ = 0;
}

void Ring::Release() {
  if (released_ == position_) return;
  released_ = position_;
  __atomic_store_n(static_cast<uint64_t*>(consumer_), position_, __ATOMIC_RELEASE);
}

}  // namespace cairn::capture
