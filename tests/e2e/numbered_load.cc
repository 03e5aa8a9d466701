#include "tests/e2e/numbered_load.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn {

NumberedLoad::NumberedLoad() {
  const std::string prefix = Prefix();
  int stop[2], made[2];
  (void)!pipe2(stop, O_CLOEXEC);  // not for cairnd to hold open
  (void)!pipe2(made, O_CLOEXEC);
  pid_ = fork();
  if (pid_ == 0) {
    close(stop[1]);
    fcntl(stop[0], F_SETFL, O_NONBLOCK);
    uint64_t count = 0;
    char byte;
    while (read(stop[0], &byte, 1) != 0) {
      for (int i = 0; i < 2; ++i) (void)!open(absl::StrCat(prefix, count++).c_str(), O_RDONLY);
      usleep(400);
    }
    (void)!write(made[1], &count, sizeof(count));
    _exit(0);
  }
  close(stop[0]);
  close(made[1]);
  stop_ = stop[1];
  made_ = made[0];
}

uint64_t NumberedLoad::Stop() const {
  uint64_t count = 0;
  close(stop_);
  EXPECT_EQ(read(made_, &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
  close(made_);
  waitpid(pid_, nullptr, 0);
  return count;
}

std::string NumberedLoad::Prefix() { return absl::StrCat("/cairn-numbered/", getpid(), "/"); }

std::optional<uint64_t> NumberedLoad::NumberOf(const std::string& path) {
  absl::string_view name = path;
  uint64_t number;
  if (!absl::ConsumePrefix(&name, Prefix()) || !absl::SimpleAtoi(name, &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace cairn
