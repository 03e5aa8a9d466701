// What `tools/bench` has a machine do: each worker does COUNT acts and counts them itself.
//
//   bench_load KIND COUNT WORKERS [RATE]    KIND: openclose, rdwr, files, spawn, getppid
//
// RATE: at most so many acts a second of each worker.
// Prints one JSON line: acts done, wall and CPU seconds of all workers.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>

#include "absl/strings/numbers.h"

namespace {

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void OpenClose(long count) {
  for (long i = 0; i < count; ++i) close(open("/etc/hostname", O_RDONLY));
}

void ReadWrite(long count) {
  const int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
  char byte;
  for (long i = 0; i < count; ++i) {
    if (read(zero, &byte, 1) != 1 || write(null, &byte, 1) != 1) abort();
  }
  close(zero);
  close(null);
}

void Files(long count) {
  char name[64], other[64];
  snprintf(name, sizeof(name), "/tmp/cairn-load-%d", getpid());
  snprintf(other, sizeof(other), "/tmp/cairn-load-%d-b", getpid());
  char text[512] = {};
  for (long i = 0; i < count; ++i) {
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (write(fd, text, sizeof(text)) < 0) abort();
    close(fd);
    fd = open(name, O_RDONLY);
    if (read(fd, text, sizeof(text)) < 0) abort();
    close(fd);
    chmod(name, 0640);
    rename(name, other);
    unlink(other);
  }
}

void Spawn(long count) {
  char program[] = "/bin/true";
  char* argv[] = {program, nullptr};
  for (long i = 0; i < count; ++i) {
    pid_t pid;
    if (posix_spawn(&pid, program, nullptr, nullptr, argv, environ) == 0) waitpid(pid, nullptr, 0);
  }
}

void GetPpid(long count) {
  for (long i = 0; i < count; ++i) syscall(SYS_getppid);
}

// `act` COUNT times, a few at a time so that no second has more than `rate`; 0: flat out.
void Paced(void (*act)(long), long count, long rate) {
  constexpr long kChunks = 500;  // a second
  if (rate <= 0) return act(count);
  const long chunk = std::max(rate / kChunks, 1L);
  const double start = Now();
  for (long done = 0; done < count; done += chunk) {
    act(std::min(chunk, count - done));
    const double ahead =
        static_cast<double>(done + chunk) / static_cast<double>(rate) - (Now() - start);
    if (ahead > 0) usleep(static_cast<useconds_t>(ahead * 1e6));
  }
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  static const std::map<std::string, void (*)(long)> kKinds = {{"openclose", OpenClose},
                                                               {"rdwr", ReadWrite},
                                                               {"files", Files},
                                                               {"spawn", Spawn},
                                                               {"getppid", GetPpid}};
  long count = 0, rate = 0;
  int workers = 0;
  if (argc < 4 || argc > 5 || (argc == 5 && !absl::SimpleAtoi(argv[4], &rate)) ||
      !kKinds.contains(argv[1]) || !absl::SimpleAtoi(argv[2], &count) ||
      !absl::SimpleAtoi(argv[3], &workers)) {
    fputs("usage: bench_load openclose|rdwr|files|spawn|getppid COUNT WORKERS [RATE]\n", stderr);
    return 5;
  }
  const double start = Now();
  for (int i = 0; i < workers; ++i) {
    if (fork() == 0) {
      Paced(kKinds.at(argv[1]), count, rate);
      _exit(0);
    }
  }
  while (wait(nullptr) > 0) {
  }
  rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  printf("{\"acts\": %ld, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n", count * workers, Now() - start,
         Seconds(used.ru_utime) + Seconds(used.ru_stime));
}
