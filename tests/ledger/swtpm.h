// An emulated TPM (swtpm) for tests, on a socket of its own.
#ifndef CAIRN_TESTS_LEDGER_SWTPM_H_
#define CAIRN_TESTS_LEDGER_SWTPM_H_

#include <sys/types.h>

#include <string>

namespace cairn::ledger {

// One life of it; its state stays in `dir`.
class Swtpm {
 public:
  static bool Installed();

  explicit Swtpm(const std::string& dir);
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;
  ~Swtpm();

  std::string tcti() const;  // for Tpm::Open

 private:
  const std::string path_;
  pid_t pid_ = -1;
};

}  // namespace cairn::ledger

#endif  // CAIRN_TESTS_LEDGER_SWTPM_H_
