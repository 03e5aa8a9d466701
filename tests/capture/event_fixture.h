// One act of capture_acts, and the records the kernel's events of it became.
#ifndef CAIRN_TESTS_CAPTURE_EVENT_FIXTURE_H_
#define CAIRN_TESTS_CAPTURE_EVENT_FIXTURE_H_

#include <functional>
#include <string>
#include <vector>

#include "agent/capture/capture.h"
#include "gtest/gtest.h"

namespace cairn::capture {

struct Seen {
  Record record;
  Process process;
  bool has_process = false;
};

// What an act did, as it says itself.
struct Said {
  uint32_t pid = 0;
  long ret = 0;
};

// All tests of a program share one Capture: loading it takes seconds. Each has an empty
// directory of its own with a few files: old, link (to old), dir/inner, empty/.
class Events : public ::testing::Test {
 public:
  static constexpr char kEnv[] = "CAIRN_WANTED";  // captured with every exec

 protected:
  // Between suites nothing is wanted: other tests want the machine to themselves.
  static void SetUpTestSuite() { WantAll(); }
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  // Runs the act and collects what was seen until its process had ended.
  Said Do(const std::string& act);
  // Hands on what is there; null: to nobody.
  void Drain(std::vector<Seen>* to);

  // The one record of `type` by `pid` that `fits`; null, and a failure, unless it is one.
  const Seen* One(EventType type, uint32_t pid,
                  const std::function<bool(const Record&)>& fits = nullptr);
  std::string All(uint32_t pid) const;

  // The policy's wish to have everything.
  static void WantAll();

  Capture* capture_ = nullptr;
  std::string dir_;
  std::vector<Seen> seen_;
};

}  // namespace cairn::capture

#endif  // CAIRN_TESTS_CAPTURE_EVENT_FIXTURE_H_
