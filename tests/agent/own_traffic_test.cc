// What of the shipper's doings is not recorded, and what is.
#include "agent/own_traffic.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace cairn::agent {
namespace {

constexpr uint32_t kRead = 1, kWrite = 2;

class OwnTrafficTest : public testing::Test {
 protected:
  OwnTrafficTest() {
    char self[4096];
    const ssize_t n = ::readlink("/proc/self/exe", self, sizeof(self));
    const std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
    shipper_ = absl::StrCat(path.substr(0, path.find_last_of('/') + 1), "cairn-shipper");
  }
  bool Is(EventType type, const std::string& path, uint32_t access, const std::string& exe) const {
    Record record;
    record.set_type(type);
    record.mutable_file()->set_path(path);
    record.mutable_file()->set_access(access);
    ledger::Subject subject;
    subject.process.set_exe(exe);
    return OwnTraffic("/log").Is({.time_ns = 1, .record = &record, .subject = &subject});
  }
  bool OfShipper(EventType type, const std::string& path, uint32_t access = kRead) const {
    return Is(type, path, access, shipper_);
  }

  std::string shipper_;
};

// Each two seconds it looks for logs: were that recorded, a quiet host would ship its own shipping.
TEST_F(OwnTrafficTest, TheShipperReadsTheLogAndItsDirectory) {
  EXPECT_TRUE(OfShipper(FILE_OPEN, "/log"));
  EXPECT_TRUE(OfShipper(FILE_OPEN, "/log/1"));
  EXPECT_TRUE(OfShipper(FILE_OPEN, "/log/1/0000000000.seg"));
  EXPECT_TRUE(OfShipper(FILE_READ, "/log/1/0000000000.seg"));
  EXPECT_TRUE(OfShipper(FILE_RENAME, "/log/1/receipts/a.receipt"));
}

TEST_F(OwnTrafficTest, NothingElseIsLeftOut) {
  EXPECT_FALSE(OfShipper(FILE_OPEN, "/logs"));
  EXPECT_FALSE(OfShipper(FILE_OPEN, "/lo"));
  EXPECT_FALSE(OfShipper(FILE_OPEN, "/etc/shadow"));
  EXPECT_FALSE(OfShipper(FILE_OPEN, "/log/1/0000000000.seg", kRead | kWrite));
  EXPECT_FALSE(OfShipper(FILE_DELETE, "/log/1/0000000000.seg"));
  EXPECT_FALSE(OfShipper(FILE_CHMOD, "/log"));
  EXPECT_FALSE(OfShipper(NET_CONNECT, "/log"));
  EXPECT_FALSE(Is(FILE_OPEN, "/log/1/0000000000.seg", kRead, "/usr/bin/cat"));
}

}  // namespace
}  // namespace cairn::agent
