#include "tools/benchmarks/host.h"

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn {
namespace {

pid_t Spawn(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  return posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ) == 0 ? pid : -1;
}

int Run(const std::vector<std::string>& words) {
  int status = -1;
  const pid_t pid = Spawn(words);
  if (pid > 0) waitpid(pid, &status, 0);
  return status;
}

}  // namespace

std::string ProgramsBeside(const std::string& self) {
  const size_t tools = self.rfind("/tools/");
  if (tools != std::string::npos && geteuid() == 0) return self.substr(0, tools) + "/bin";
  fprintf(stderr, "%s: run it as root, by tools/bench\n", self.c_str());
  return "";
}

BenchHost::BenchHost(std::string programs) : programs_(std::move(programs)) {
  char dir[] = "/tmp/cairn-bench-XXXXXX";
  if (mkdtemp(dir) == nullptr) abort();
  dir_ = dir;
}

void BenchHost::Write(const std::string& name, const std::string& text) const {
  FILE* file = fopen((dir_ + "/" + name).c_str(), "w");
  if (file == nullptr || fwrite(text.data(), 1, text.size(), file) != text.size()) abort();
  fclose(file);
}

bool BenchHost::Prepare(const std::string& policy, const std::string& capture) {
  mkdir((dir_ + "/policy.d").c_str(), 0755);
  Write("policy.d/10.yaml",
        absl::StrCat("schema: cairn.policy/v1\nmetadata: {name: bench, serial: 1}\n", policy));
  Write("agent.yaml",
        absl::StrCat("keys: {dir: ", dir_, "/keys}\nlog: {dir: ", dir_, "/log}\npolicy: {dir: ",
                     dir_, "/policy.d, state_dir: ", dir_, "/state}\ncontrol: {socket: ", dir_,
                     "/control.sock}\ncapture: {", capture, ", state_dir: ", dir_, "/capture}\n"));
  return Run({"/bin/sh", "-c",
              absl::StrCat(programs_, "/cairn key init --config ", dir_,
                           "/agent.yaml >/dev/null")}) == 0;
}

// False, and nothing runs: kill(2) takes -1 for everybody on the machine.
bool BenchHost::Start() {
  pid_ = Spawn({programs_ + "/cairnd", "--config", dir_ + "/agent.yaml"});
  if (pid_ > 0) return true;
  fprintf(stderr, "%s/cairnd did not start\n", programs_.c_str());
  return false;
}

bool BenchHost::AwaitRecording() const {
  const std::string status =
      absl::StrCat(programs_, "/cairn status --config ", dir_, "/agent.yaml >/dev/null 2>&1");
  for (int i = 0; i < 600; ++i) {
    if (Run({"/bin/sh", "-c", status}) == 0) return true;
    usleep(50'000);
    if (waitpid(pid_, nullptr, WNOHANG) == 0) continue;
    fputs("cairnd ended at once\n", stderr);
    return false;
  }
  fputs("cairnd does not answer after 30 s\n", stderr);
  return false;
}

int BenchHost::Stop() {
  int status = -1;
  if (pid_ <= 0 || kill(pid_, SIGTERM) != 0) return status;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

void BenchHost::Finish(bool good) const {
  if (good) Run({"/bin/rm", "-rf", dir_});
  if (!good) printf("kept: %s\n", dir_.c_str());
}

}  // namespace cairn
