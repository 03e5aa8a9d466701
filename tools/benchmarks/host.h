// A cairnd of a benchmark's own: keys, policy and log in a temporary directory.
#ifndef CAIRN_TOOLS_BENCHMARKS_HOST_H_
#define CAIRN_TOOLS_BENCHMARKS_HOST_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace cairn {

// Where cairn's programs are, by the path of a benchmark (argv[0]); "": it was not started by
// tools/bench, or not as root, and stderr says so.
std::string ProgramsBeside(const std::string& self);

class BenchHost {
 public:
  // `programs`: the folder of cairnd and cairn.
  explicit BenchHost(std::string programs);
  BenchHost(const BenchHost&) = delete;
  ~BenchHost() { Stop(); }

  const std::string& dir() const { return dir_; }
  void Write(const std::string& name, const std::string& text) const;

  // Makes configuration and keys. `policy` follows the document's head; `capture` are entries of
  // the configuration's capture section. False: `cairn key init` failed.
  bool Prepare(const std::string& policy, const std::string& capture);

  // False, with the reason on stderr: it did not start. Returns when it was started, not when it
  // records.
  bool Start();
  // Until it answers, which it does when it records; false: it ended before, or 30 s went by.
  bool AwaitRecording() const;
  pid_t pid() const { return pid_; }
  int Stop();  // SIGTERM; as waitpid(2)

  // Takes all away if `good`, else says where it is.
  void Finish(bool good) const;

 private:
  const std::string programs_;
  std::string dir_;
  pid_t pid_ = -1;
};

}  // namespace cairn

#endif  // CAIRN_TOOLS_BENCHMARKS_HOST_H_
