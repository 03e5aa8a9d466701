// A process whose acts are numbered: what is lost, doubled or out of place shows.
#ifndef CAIRN_TESTS_E2E_NUMBERED_LOAD_H_
#define CAIRN_TESTS_E2E_NUMBERED_LOAD_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace cairn {

// From construction on a child opens PREFIX0, PREFIX1, …, which do not exist, some 4,000 a second.
class NumberedLoad {
 public:
  NumberedLoad();
  NumberedLoad(const NumberedLoad&) = delete;
  // Ends it, and returns how many there were. Call once.
  uint64_t Stop() const;

  // Of this test program's loads: another's may run beside it.
  static std::string Prefix();
  static std::optional<uint64_t> NumberOf(const std::string& path);

 private:
  pid_t pid_;
  int stop_, made_;
};

}  // namespace cairn

#endif  // CAIRN_TESTS_E2E_NUMBERED_LOAD_H_
