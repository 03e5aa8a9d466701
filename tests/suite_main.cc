// main of a test program whose CTest entries are whole suites (cmake/cairn.cmake): a suite in
// which every test was skipped is skipped, and one without tests is a mistake.
#include <cstdio>

#include "gtest/gtest.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const int failed = RUN_ALL_TESTS();
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  if (failed != 0) return failed;
  const bool rest = ::testing::GTEST_FLAG(filter)[0] == '-';
  if (all.test_to_run_count() == 0 && !rest) {
    std::fprintf(stderr, "no test has that name\n");
    return 1;
  }
  const bool skipped = all.skipped_test_count() > 0 && all.successful_test_count() == 0;
  return skipped ? 77 : 0;
}
