#include "base/secret.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace cairn {
namespace {

size_t PageSize() {
  static const size_t size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

uint8_t* MapPage(bool* locked) {
  void* page =
      ::mmap(nullptr, PageSize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) std::abort();  // out of address space: nothing can go on
  *locked = ::mlock(page, PageSize()) == 0;
  ::madvise(page, PageSize(), MADV_DONTDUMP);
  ::madvise(page, PageSize(), MADV_WIPEONFORK);
  return static_cast<uint8_t*>(page);
}

}  // namespace

void Wipe(void* data, size_t size) { ::explicit_bzero(data, size); }

Secret32::Secret32() : bytes_(MapPage(&locked_)) {}

Secret32::Secret32(const uint8_t bytes[kSize]) : Secret32() { std::memcpy(bytes_, bytes, kSize); }

Secret32 Secret32::Random() {
  Secret32 secret;
  size_t have = 0;
  while (have < kSize) {
    const ssize_t n = ::getrandom(secret.bytes_ + have, kSize - have, 0);
    if (n < 0 && errno != EINTR) std::abort();  // no kernel cairn runs on refuses it
    if (n > 0) have += static_cast<size_t>(n);
  }
  return secret;
}

Secret32::Secret32(Secret32&& other) noexcept
    : bytes_(std::exchange(other.bytes_, nullptr)), locked_(other.locked_) {}

Secret32& Secret32::operator=(Secret32&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(locked_, other.locked_);
  return *this;
}

Secret32::~Secret32() {
  if (bytes_ == nullptr) return;
  Wipe(bytes_, kSize);
  ::munmap(bytes_, PageSize());
}

void ForbidDumps() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace cairn
