// A name that changes in the middle of its call, every time: both names lie on pages that
// userfaultfd fills. While the kernel waits for the second, the first, which it has read already,
// is overwritten.
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

constexpr size_t kPage = 4096;

struct Window {
  int fd = -1;
  char* pages = nullptr;  // two
  const char* names[2];
};

bool Fill(const Window& window, int page) {
  alignas(kPage) static char text[kPage];
  strncpy(text, window.names[page], sizeof(text) - 1);
  uffdio_copy copy = {};
  copy.dst = reinterpret_cast<uint64_t>(window.pages + static_cast<size_t>(page) * kPage);
  copy.src = reinterpret_cast<uint64_t>(text);
  copy.len = kPage;
  return ioctl(window.fd, UFFDIO_COPY, &copy) == 0;
}

void Serve(const Window& window) {
  int first = -1;
  for (int served = 0; served < 2; ++served) {
    uffd_msg message;
    if (read(window.fd, &message, sizeof(message)) != sizeof(message)) return;
    const int page =
        message.arg.pagefault.address >= reinterpret_cast<uint64_t>(window.pages) + kPage ? 1 : 0;
    if (first >= 0) strcpy(window.pages + static_cast<size_t>(first) * kPage, "decoy");
    first = page;
    if (!Fill(window, page)) return;
  }
}

bool Open(Window* window) {
  window->fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
  if (window->fd < 0) return false;
  uffdio_api api = {};
  api.api = UFFD_API;
  if (ioctl(window->fd, UFFDIO_API, &api) != 0) return false;
  void* pages =
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return false;
  window->pages = static_cast<char*>(pages);
  uffdio_register region = {};
  region.range.start = reinterpret_cast<uint64_t>(pages);
  region.range.len = 2 * kPage;
  region.mode = UFFDIO_REGISTER_MODE_MISSING;
  return ioctl(window->fd, UFFDIO_REGISTER, &region) == 0;
}

long Through(long number, const char* from, const char* to) {
  Window window;
  window.names[0] = from;
  window.names[1] = to;
  if (!Open(&window)) return -ENOSYS;
  std::thread server([&] { Serve(window); });
  const long ret =
      Result(syscall(number, AT_FDCWD, window.pages, AT_FDCWD, window.pages + kPage, 0));
  server.join();
  return ret;
}

long Rename() { return Through(SYS_renameat, "old", "dir/moved"); }
long Link() { return Through(SYS_linkat, "old", "dir/hard"); }

}  // namespace

void AddWindowActs(std::map<std::string, Act>* acts) {
  acts->insert({{"rename-window", Rename}, {"link-window", Link}});
}

}  // namespace cairn::acts
