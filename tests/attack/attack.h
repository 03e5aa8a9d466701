// What every attack says: its anchor, the verdict, the code and the block.
#ifndef CAIRN_TESTS_ATTACK_ATTACK_H_
#define CAIRN_TESTS_ATTACK_ATTACK_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "ledger/verifier.h"
#include "tests/ledger/test_log.h"

namespace cairn::attack {

inline constexpr char kOtherOrigin[] = "test.example/h/00000000-0000-4000-8000-000000000002/1";
inline constexpr char kNextOrigin[] = "test.example/h/00000000-0000-4000-8000-000000000001/2";

// What shows an attack.
enum class Anchor {
  kNone,       // none needed: the log and the pinned key alone
  kReceipt,    // a receipt, wherever it is kept
  kCollector,  // the collector, or what it holds
  kAuditor,    // the private key of a recipient, once the epoch's opening was receipted
  kTpm,        // the counter of the host's TPM
  kNothing,    // nothing: docs/threat-model.md must say so
};
// Names the anchor in the test's output and in its report.
void ShownBy(Anchor anchor);

// docs/threat-model.md says `sentence`, white space aside.
::testing::AssertionResult TheThreatModelSays(absl::string_view sentence);

// TAMPERED; the first finding has `code` and begins with `block`.
::testing::AssertionResult Tampered(const ledger::Report& report, absl::string_view code,
                                    uint64_t block);
// TAMPERED; the first finding has `code`, and `block` is in its range.
::testing::AssertionResult TamperedAround(const ledger::Report& report, absl::string_view code,
                                          uint64_t block);
::testing::AssertionResult Ok(const ledger::Report& report, uint64_t through);

// A finished log of three epochs by the real writer, one record a block. Epoch 0 is blocks 0-11,
// epoch 1 blocks 12-23, epoch 2 blocks 24-35; each begins with its opening and ends with its close.
class AttackTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kBlocks = 36;
  static constexpr uint64_t kEpochBlocks = 12;

  void SetUp() override;
  ledger::VerifyOptions options() const;
  ledger::Report Verify() const { return Verify(options()); }
  ledger::Report Verify(const ledger::VerifyOptions& options) const;
  // With the segment of `epoch` replaced, for this call.
  ledger::Report VerifyWith(uint64_t epoch, const std::string& bytes);
  std::string Bytes(uint64_t epoch) const { return ledger::ReadAll(log_.SegmentPath(epoch)); }
  // Puts a receipt for `note` beside the log.
  void GiveReceipt(const std::string& note) const;
  std::string NewestNote() const;

  ledger::TestLog log_;
};

}  // namespace cairn::attack

#endif  // CAIRN_TESTS_ATTACK_ATTACK_H_
