#include "tests/ledger/swtpm.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/fd.h"

extern char** environ;

namespace cairn::ledger {
namespace {

constexpr char kSwtpm[] = "/usr/bin/swtpm";

// Its socket is there before it listens.
bool Answers(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

bool Swtpm::Installed() { return ::access(kSwtpm, X_OK) == 0; }

Swtpm::Swtpm(const std::string& dir) : path_(absl::StrCat(dir, "/swtpm.sock")) {
  const std::string state = absl::StrCat("dir=", dir);
  const std::string server = absl::StrCat("type=unixio,path=", path_);
  const std::string control = absl::StrCat("type=unixio,path=", path_, ".ctrl");
  std::string words[] = {"swtpm",
                         "socket",
                         "--tpm2",
                         "--tpmstate",
                         state,
                         "--server",
                         server,
                         "--ctrl",
                         control,
                         "--flags",
                         "not-need-init,startup-clear"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (::posix_spawn(&pid_, kSwtpm, nullptr, nullptr, argv.data(), environ) != 0) pid_ = -1;
  for (int i = 0; i < 1000 && !Answers(path_); ++i) ::usleep(10'000);
}

Swtpm::~Swtpm() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

std::string Swtpm::tcti() const { return absl::StrCat("swtpm:path=", path_); }

}  // namespace cairn::ledger
