// A BPF array that both sides use as plain memory.
#ifndef CAIRN_AGENT_CAPTURE_MAPPED_H_
#define CAIRN_AGENT_CAPTURE_MAPPED_H_

#include <errno.h>
#include <sys/mman.h>

#include <cstddef>
#include <type_traits>

#include "absl/status/status.h"
#include "base/status.h"

namespace cairn::capture {

// `T` const: for reading.
template <typename T>
class Mapped {
 public:
  Mapped() = default;
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (data_ != nullptr) munmap(const_cast<std::remove_const_t<T>*>(data_), bytes_);
  }

  // Maps the array of `fd` (BPF_F_MMAPABLE, not owned), which has `count` values.
  absl::Status Map(int fd, size_t count) {
    bytes_ = count * sizeof(T);
    constexpr int kFor = std::is_const_v<T> ? PROT_READ : PROT_READ | PROT_WRITE;
    void* data = mmap(nullptr, bytes_, kFor, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return ErrnoStatus(errno, "map a BPF array");
    data_ = static_cast<T*>(data);
    return absl::OkStatus();
  }
  T* get() const { return data_; }
  T* operator->() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_MAPPED_H_
