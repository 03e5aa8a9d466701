// A host that cairnd runs on: configuration, keys, policy and log in a temporary directory.
#ifndef CAIRN_TESTS_E2E_HOST_H_
#define CAIRN_TESTS_E2E_HOST_H_

#include <map>
#include <string>

#include "ledger/verifier.h"
#include "tests/ledger/test_log.h"
#include "tests/program.h"

namespace cairn {

class Host {
 public:
  // Makes keys and a policy without rules. `more_config` is added to agent.yaml. False, and why on
  // stderr, where a command failed.
  bool Prepare(const std::string& more_config = "");

  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) const;

  // Runs `cairn ARGUMENTS --config <agent.yaml>`; a redirection at the end is kept there.
  int Cairn(const std::string& arguments, std::string* output = nullptr) const;

  // Starts cairnd and waits until it answers. False: it did not within 60 s.
  bool Start();
  Program& cairnd() { return cairnd_; }

  // An exec that no other process does: by its argument.
  static void Mark(const std::string& mark) { Shell("/bin/true " + mark); }

  // How often each exec's last argument, and "event N" of each type, stands in the log.
  std::map<std::string, int> ReadLog(int incarnation = 1) const;
  ledger::Report Verify() const;

 private:
  ledger::TempDir dir_;
  Program cairnd_;
};

}  // namespace cairn

#endif  // CAIRN_TESTS_E2E_HOST_H_
