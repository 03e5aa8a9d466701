// Policies that tests write, and how they judge.
#ifndef CAIRN_TESTS_POLICY_TEST_POLICY_H_
#define CAIRN_TESTS_POLICY_TEST_POLICY_H_

#include <memory>
#include <string>
#include <vector>

#include "policy/compile.h"

namespace cairn::policy {

inline constexpr char kHead[] = "schema: cairn.policy/v1\n";

// One rule: someone opens /etc/shadow.
inline constexpr char kRule[] = R"(
rules:
  - id: shadow
    on: [file.open]
    when: file.path == "/etc/shadow"
    severity: high
)";

// A directory of policy files that goes with the test.
class PolicyDir {
 public:
  PolicyDir();
  ~PolicyDir();
  const std::string& path() const { return dir_; }
  void Write(const std::string& name, const std::string& text) const;

 private:
  std::string dir_;
};

// `texts` (without kHead), one file each: "0.yaml", "1.yaml". Null with problems.
std::shared_ptr<CompiledPolicy> Compile(const std::vector<std::string>& texts,
                                        std::vector<Problem>* problems,
                                        const std::string& environment = "");
// The policy of one file that must be right.
std::shared_ptr<CompiledPolicy> Good(const std::string& text, const std::string& environment = "");
std::string FirstError(const std::string& text);  // "none"

Record Open(const std::string& path);

// "record RULE…", "count …" or "drop", then " !EXCEPTION", " ~NOISE", " <LIMIT".
std::string Judged(const Policy& policy, const Record& record, const Process& process = {},
                   uint64_t wall_ns = 0, uint64_t time_ns = 0);

}  // namespace cairn::policy

#endif  // CAIRN_TESTS_POLICY_TEST_POLICY_H_
