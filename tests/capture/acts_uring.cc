#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

template <typename T>
T* At(void* base, uint32_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

// Submits one request to a new ring and waits for it; its result, or -errno.
long Submit(const io_uring_sqe& request) {
  io_uring_params params = {};
  const int fd = static_cast<int>(syscall(SYS_io_uring_setup, 4, &params));
  if (fd < 0) return Result(-1);
  const int rw = PROT_READ | PROT_WRITE;
  void* sq = mmap(nullptr, params.sq_off.array + params.sq_entries * 4, rw, MAP_SHARED, fd,
                  IORING_OFF_SQ_RING);
  void* cq = mmap(nullptr, params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe), rw,
                  MAP_SHARED, fd, IORING_OFF_CQ_RING);
  void* sqes =
      mmap(nullptr, params.sq_entries * sizeof(io_uring_sqe), rw, MAP_SHARED, fd, IORING_OFF_SQES);
  if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED) return Result(-1);
  memcpy(sqes, &request, sizeof(request));
  *At<uint32_t>(sq, params.sq_off.array) = 0;
  __atomic_store_n(At<uint32_t>(sq, params.sq_off.tail), 1u, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) != 1) {
    return Result(-1);
  }
  return At<io_uring_cqe>(cq, params.cq_off.cqes)->res;
}

io_uring_sqe Request(uint8_t op, int fd, const void* address, uint32_t length) {
  io_uring_sqe request = {};
  request.opcode = op;
  request.fd = fd;
  request.addr = reinterpret_cast<uint64_t>(address);
  request.len = length;
  return request;
}

long Open() {
  io_uring_sqe request = Request(IORING_OP_OPENAT, AT_FDCWD, "old", 0);
  request.open_flags = O_RDWR;
  return Submit(request);
}
long OpenMissing() {
  io_uring_sqe request = Request(IORING_OP_OPENAT, AT_FDCWD, "no-such-file", 0);
  return Submit(request);
}
long Write() { return Submit(Request(IORING_OP_WRITE, open("old", O_WRONLY), "abc", 3)); }
long Unlink() { return Submit(Request(IORING_OP_UNLINKAT, AT_FDCWD, "old", 0)); }
long Rename() {
  io_uring_sqe request =
      Request(IORING_OP_RENAMEAT, AT_FDCWD, "old", static_cast<uint32_t>(AT_FDCWD));
  request.addr2 = reinterpret_cast<uint64_t>("dir/moved");
  return Submit(request);
}
long Mkdir() { return Submit(Request(IORING_OP_MKDIRAT, AT_FDCWD, "made", 0700)); }
long Send() {
  int ends[2];
  (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  return Submit(Request(IORING_OP_SEND, ends[0], "abcd", 4));
}
long Connect() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(4243);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  io_uring_sqe request = Request(IORING_OP_CONNECT, socket(AF_INET, SOCK_DGRAM, 0), &address, 0);
  request.off = sizeof(address);
  return Submit(request);
}

}  // namespace

void AddUringActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"uring-open", Open},     {"uring-open-missing", OpenMissing},
      {"uring-write", Write},   {"uring-unlink", Unlink},
      {"uring-rename", Rename}, {"uring-mkdir", Mkdir},
      {"uring-send", Send},     {"uring-connect", Connect},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
