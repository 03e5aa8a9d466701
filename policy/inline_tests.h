// The tests a policy carries.
#ifndef CAIRN_POLICY_INLINE_TESTS_H_
#define CAIRN_POLICY_INLINE_TESTS_H_

#include <string>
#include <vector>

#include "policy/compiled.h"

namespace cairn::policy {

struct TestResult {
  std::string file;
  std::string name;
  YamlPlace place;
  std::string failure;  // empty: passed
};

// Runs the tests of all its sources against `policy`, those for another environment left out.
// A test's record goes through Decide and Redact as a real one would, without limits' effect.
std::vector<TestResult> RunTests(const CompiledPolicy& policy);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_INLINE_TESTS_H_
