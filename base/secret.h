// Key bytes that are locked in memory and wiped.
#ifndef CAIRN_BASE_SECRET_H_
#define CAIRN_BASE_SECRET_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace cairn {

// Overwrites memory in a way the compiler keeps.
void Wipe(void* data, size_t size);

// 32 bytes on a page of their own that is locked (mlock), kept out of core dumps
// (MADV_DONTDUMP) and out of forked children (MADV_WIPEONFORK), and wiped on destruction.
// Where the page cannot be locked the bytes are kept all the same: locked() says so. Move
// only. One thread.
class Secret32 {
 public:
  static constexpr size_t kSize = 32;

  Secret32();  // zeros
  explicit Secret32(const uint8_t bytes[kSize]);
  static Secret32 Random();  // getrandom(2)
  Secret32(Secret32&& other) noexcept;
  Secret32& operator=(Secret32&& other) noexcept;
  ~Secret32();

  uint8_t* data() { return bytes_; }
  const uint8_t* data() const { return bytes_; }
  absl::string_view view() const { return {reinterpret_cast<const char*>(bytes_), kSize}; }
  bool locked() const { return locked_; }

 private:
  uint8_t* bytes_;
  bool locked_ = false;
};

// PR_SET_DUMPABLE 0 and RLIMIT_CORE 0: no core dumps, no ptrace by the same user.
void ForbidDumps();

}  // namespace cairn

#endif  // CAIRN_BASE_SECRET_H_
