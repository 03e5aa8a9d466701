// The S3 service that tests/s3/gateway started, and buckets of a test's own.
#ifndef CAIRN_TESTS_S3_S3_SITE_H_
#define CAIRN_TESTS_S3_S3_SITE_H_

#include <gtest/gtest.h>

#include <string>

#include "archive/archive.h"

namespace cairn::archive {

// A test fixture that skips, loudly, where no gateway runs.
class S3Test : public ::testing::Test {
 protected:
  void SetUp() override;
  // Of this test alone; retention is short, for nothing can be deleted before.
  ArchiveOptions Options() const;

  S3Options service_;
  std::string bucket_;  // with Object Lock
  std::string claims_;  // without versions
};

}  // namespace cairn::archive

#endif  // CAIRN_TESTS_S3_S3_SITE_H_
