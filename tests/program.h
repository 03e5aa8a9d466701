// A program of ours as a child process of a test.
#ifndef CAIRN_TESTS_PROGRAM_H_
#define CAIRN_TESTS_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace cairn {

// Killed, by its id, when it goes out of scope.
class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  ~Program() { Kill(); }

  // `arguments`: the program's path first. Its stderr is appended to the file `messages`; "": to
  // the test's own.
  void Start(const std::vector<std::string>& arguments, const std::string& messages = "");
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  int Wait();             // as waitpid(2) gives it
  int Stop(int signal) {  // as Wait
    Signal(signal);
    return Wait();
  }
  void Kill() {
    if (running()) Stop(9);
  }

 private:
  pid_t pid_ = 0;
};

// Runs a shell command and returns its exit code; `output` (may be null) receives stdout.
int Shell(const std::string& command, std::string* output = nullptr);

}  // namespace cairn

#endif  // CAIRN_TESTS_PROGRAM_H_
