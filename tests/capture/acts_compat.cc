// System calls of the 32-bit ABI, from a 64-bit program: int 0x80.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

#if defined(__x86_64__)
// A kernel without that ABI answers with a signal.
void NoSuchAbi(int) {
  Say(-ENOSYS);
  _exit(0);
}

long Call(long number, long a, long b = 0, long c = 0, long d = 0) {
  signal(SIGSEGV, NoSuchAbi);
  long ret;
  asm volatile("int $0x80"
               : "=a"(ret)
               : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
               : "memory", "r8", "r9", "r10", "r11");
  return static_cast<int>(ret);
}

// `bytes` where 32 bits can point to.
long Low(const void* bytes, size_t size) {
  void* low =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  memcpy(low, bytes, size);
  return reinterpret_cast<long>(low);
}
long Name(const char* name) { return Low(name, strlen(name) + 1); }

long Open() { return Call(5, Name("old"), O_RDONLY); }
long OpenAt() { return Call(295, open("dir", O_PATH), Name("inner"), O_RDONLY); }
long Unlink() { return Call(10, Name("old")); }
long Rename() { return Call(38, Name("old"), Name("moved")); }
long Mkdir() { return Call(39, Name("made"), 0750); }
long Chmod() { return Call(15, Name("old"), 0604); }
long Setresuid() { return Call(208, 1001, 1002, 1003); }
long Connect() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(4244);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Call(362, socket(AF_INET, SOCK_DGRAM, 0), Low(&address, sizeof(address)), sizeof(address));
}
#else
long Open() { return -ENOSYS; }
long OpenAt() { return -ENOSYS; }
long Unlink() { return -ENOSYS; }
long Rename() { return -ENOSYS; }
long Mkdir() { return -ENOSYS; }
long Chmod() { return -ENOSYS; }
long Setresuid() { return -ENOSYS; }
long Connect() { return -ENOSYS; }
#endif

}  // namespace

void AddCompatActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"compat-open", Open},           {"compat-openat", OpenAt},   {"compat-unlink", Unlink},
      {"compat-rename", Rename},       {"compat-mkdir", Mkdir},     {"compat-chmod", Chmod},
      {"compat-setresuid", Setresuid}, {"compat-connect", Connect},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
