#include "agent/capture/audit_assembly.h"

#include <string>
#include <vector>

#include "agent/capture/audit_drift.h"
#include "agent/capture/audit_serials.h"
#include "agent/capture/audit_text.h"
#include "agent/capture/audit_types.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What was handed out: "serial:type,type" with '!' for incomplete and '+' for continued.
class Assembly : public ::testing::Test {
 protected:
  void Add(uint64_t serial, uint16_t type, absl::string_view text, uint64_t now_ns = 0) {
    assembler_.Add({1000, serial}, type, text, now_ns, [this](const AuditEvent& e) { Note(e); });
  }
  void Expire(uint64_t now_ns) {
    assembler_.Expire(now_ns, [this](const AuditEvent& e) { Note(e); });
  }
  void Note(const AuditEvent& event) {
    std::string line = std::to_string(event.stamp.serial);
    for (const auto& record : event.lines()) line += ":" + std::to_string(record.type);
    if (!event.complete) line += "!";
    if (event.continued) line += "+";
    out_.push_back(line);
  }

  AuditAssembler assembler_;
  std::vector<std::string> out_;
};

TEST_F(Assembly, JoinsInterleavedEventsAtTheirEnds) {
  Add(1, audit::kSyscall, "a");
  Add(2, audit::kSyscall, "b");
  Add(1, audit::kPath, "c");
  Add(2, audit::kEoe, "");
  Add(1, audit::kEoe, "");
  EXPECT_THAT(out_, ElementsAre("2:1300", "1:1300:1302"));
}

TEST_F(Assembly, UserMessagesStandAlone) {
  Add(1, audit::kSyscall, "a");
  Add(2, audit::kUserLogin, "b");
  EXPECT_THAT(out_, ElementsAre("2:1112"));
}

TEST_F(Assembly, SameRecordTwiceIsOne) {
  Add(1, audit::kSyscall, "a");
  Add(1, audit::kSyscall, "a");
  Add(1, audit::kEoe, "");
  Add(1, audit::kEoe, "");
  Add(1, audit::kSyscall, "a");
  Add(2, audit::kUserLogin, "b");
  Add(2, audit::kUserLogin, "b");
  EXPECT_THAT(out_, ElementsAre("1:1300", "2:1112"));
  EXPECT_EQ(assembler_.stats().duplicates, 3u);
}

TEST_F(Assembly, MissingEndIsWaitedForThenHandedOutAsIncomplete) {
  Add(1, audit::kSyscall, "a", 0);
  Add(2, audit::kConfigChange, "b", 0);
  Expire(249'999'999);
  EXPECT_THAT(out_, IsEmpty());
  Expire(250'000'000);
  EXPECT_THAT(out_, ElementsAre("2:1305!"));
  Expire(2'000'000'000);
  EXPECT_THAT(out_, ElementsAre("2:1305!", "1:1300!"));
}

TEST_F(Assembly, StragglersAreMarkedAsContinuation) {
  Add(1, audit::kAvc, "a", 0);
  Expire(300'000'000);
  Add(1, audit::kSyscall, "b", 400'000'000);
  Add(1, audit::kEoe, "", 400'000'000);
  EXPECT_THAT(out_, ElementsAre("1:1400!", "1:1300+"));
}

TEST_F(Assembly, SystemCallsAreHeldForTheirTwinAndNothingElseIs) {
  AuditAssembler holding({.syscall_hold_ns = 1000});
  const auto sink = [this](const AuditEvent& event) { Note(event); };
  holding.Add({1000, 1}, audit::kSyscall, "a", 0, sink);
  holding.Add({1000, 1}, audit::kEoe, "", 0, sink);
  holding.Add({1000, 2}, audit::kAvc, "b", 0, sink);
  holding.Add({1000, 2}, audit::kEoe, "", 0, sink);
  holding.Add({1000, 3}, audit::kUserLogin, "c", 0, sink);
  EXPECT_THAT(out_, ElementsAre("2:1400", "3:1112"));
  EXPECT_EQ(holding.due_ns(), 1000u);
  holding.Expire(999, sink);
  EXPECT_EQ(out_.size(), 2u);
  holding.Expire(1000, sink);
  EXPECT_THAT(out_, ElementsAre("2:1400", "3:1112", "1:1300"));
  EXPECT_EQ(holding.due_ns(), UINT64_MAX);
}

TEST_F(Assembly, EndWithoutAnythingIsNothing) {
  Add(1, audit::kEoe, "");
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_EQ(assembler_.open(), 0u);
}

TEST_F(Assembly, OpenEventsAndBytesAreBounded) {
  const AuditAssemblyLimits limits;
  const std::string text(60 << 10, 'x');
  for (uint64_t serial = 1; serial <= 5000; ++serial) Add(serial, audit::kSyscall, text);
  EXPECT_LE(assembler_.open() * text.size(), limits.max_bytes + text.size());
  for (uint64_t serial = 10000; serial <= 15000; ++serial) Add(serial, audit::kSyscall, "");
  EXPECT_LE(assembler_.open(), limits.max_open);
  EXPECT_GT(assembler_.stats().evicted, 0u);
}

TEST_F(Assembly, OneEventIsBounded) {
  AuditEvent event;
  for (int i = 0; i < 10000; ++i) event.Add(audit::kPath, std::string(1000, 'x'));
  EXPECT_LE(event.size_bytes(), AuditEvent::kMaxBytes);
  EXPECT_LE(event.lines().size(), AuditEvent::kMaxLines);
  EXPECT_EQ(event.lines().size() + event.dropped_lines, 10000u);
}

constexpr uint64_t kLong = 2 * AuditSerials::kPatienceNs;

TEST(AuditSerials, OrderDoesNotMatter) {
  AuditSerials serials;
  for (uint64_t serial : {10, 12, 11, 14, 13}) serials.See(serial, 0);
  EXPECT_EQ(serials.TakeGap(kLong).missing, 0u);
  EXPECT_EQ(serials.TakeGap(2 * kLong).missing, 0u);
}

TEST(AuditSerials, WhatNeverCameIsCountedOnce) {
  AuditSerials serials;
  for (uint64_t serial : {10, 11, 14, 16}) serials.See(serial, 0);
  EXPECT_EQ(serials.TakeGap(0).missing, 0u);
  serials.TakeGap(kLong);
  const AuditGap gap = serials.TakeGap(2 * kLong);
  (void)gap;
  AuditSerials again;
  for (uint64_t serial : {10, 11, 14, 16}) again.See(serial, 0);
  uint64_t missing = 0;
  for (uint64_t now = 0; now < 5 * kLong; now += kLong) missing += again.TakeGap(now).missing;
  EXPECT_EQ(missing, 3u);  // 12, 13, 15
}

TEST(AuditSerials, JumpsBeyondTheWindowAreCounted) {
  AuditSerials serials;
  serials.See(1, 0);
  serials.See(10'000'001, 0);
  uint64_t missing = 0;
  for (uint64_t now = 0; now < 5 * kLong; now += kLong) missing += serials.TakeGap(now).missing;
  EXPECT_EQ(missing, 9'999'999u);
}

TEST(AuditSerials, TheLastLookWaitsForNothing) {
  AuditSerials serials;
  for (const uint64_t serial : {10, 11, 15}) serials.See(serial, 0);
  EXPECT_EQ(serials.TakeGap(0).missing, 0u);
  const AuditGap gap = serials.TakeGap(0, /*last=*/true);
  EXPECT_EQ(gap.missing, 3u);
  EXPECT_EQ(gap.from, 12u);
  EXPECT_EQ(gap.to, 14u);
}

TEST(AuditSerials, EverySubsetIsCountedExactly) {
  for (uint32_t seen = 0; seen < 1u << 10; ++seen) {
    AuditSerials serials;
    serials.See(100, 0);
    uint64_t expected = 0;
    for (uint32_t i = 0; i < 10; ++i) {
      if (seen & 1u << i)
        serials.See(110 - i, 0);
      else
        ++expected;
    }
    serials.See(111, 0);
    uint64_t missing = 0;
    for (uint64_t now = 0; now < 5 * kLong; now += kLong) missing += serials.TakeGap(now).missing;
    EXPECT_EQ(missing, expected) << seen;
  }
}

TEST(AuditDrift, ReportsOnlyWhatNoEventTold) {
  AuditDrift drift;
  drift.Accept({.enabled = 1, .pid = 5}, {"rule a"});
  std::vector<std::string> reports;
  const auto report = [&reports](Record* record) {
    reports.push_back(record->audit().fields().count("setting") != 0
                          ? record->audit().fields().at("setting")
                          : record->audit().fields().at("rules_removed"));
  };
  drift.CompareSettings({.enabled = 1, .pid = 5}, report);
  drift.CompareRules({"rule a"}, report);
  EXPECT_THAT(reports, IsEmpty());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(reports, IsEmpty());
    drift.CompareSettings({.enabled = 0, .pid = 5}, report);
    drift.CompareRules({}, report);
  }
  EXPECT_THAT(reports, ElementsAre("enabled", "1"));
  Record told;
  told.set_type(AUDIT_CONFIG_CHANGE);
  drift.Told(told);
  told.set_type(AUDIT_RULE_CHANGE);
  drift.Told(told);
  drift.CompareSettings({.enabled = 1, .pid = 5}, report);
  drift.CompareRules({"rule b"}, report);
  EXPECT_EQ(reports.size(), 2u);
  drift.CompareSettings({.enabled = 1, .pid = 0}, report);
  drift.CompareSettings({.enabled = 1, .pid = 0}, report);
  EXPECT_EQ(reports.back(), "pid");
}

TEST(AuditText, StampsAreStrict) {
  absl::string_view rest;
  EXPECT_TRUE(ParseAuditStamp("audit(1.002:3): x", &rest));
  EXPECT_EQ(rest, "x");
  for (absl::string_view bad :
       {"", "audit(", "audit(1.2:)", "audit(1:2): ", "audit(-1.000:2): ", "audit(1.1000:3): x",
        "audit(99999999999999999999.000:1): ", " audit(1.002:3): x"}) {
    EXPECT_FALSE(ParseAuditStamp(bad, &rest)) << bad;
  }
}

TEST(AuditText, FieldsOfEveryShape) {
  AuditFields fields("type avc:  x=1 y=\"a b\" (host=?, z=(null) old=5) w='q r' e= v=\"open");
  std::vector<std::string> seen;
  for (AuditField field; fields.Next(&field);) {
    seen.push_back(std::string(field.name.data(), field.name.size()) + "|" +
                   std::string(field.value.data(), field.value.size()));
  }
  EXPECT_THAT(seen,
              ElementsAre("x|1", "y|a b", "host|?", "z|(null)", "old|5", "w|q r", "e|", "v|open"));
}

}  // namespace
}  // namespace cairn::capture
