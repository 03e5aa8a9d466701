#include "tests/attack/attack.h"

#include <cstdio>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ledger/segments.h"
#include "tests/attack/forge.h"
#include "tests/paths.h"

namespace cairn::attack {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

namespace {

absl::string_view Name(Anchor anchor) {
  switch (anchor) {
    case Anchor::kNone:
      return "none";
    case Anchor::kReceipt:
      return "receipt";
    case Anchor::kCollector:
      return "collector";
    case Anchor::kAuditor:
      return "receipt and recipient key";
    case Anchor::kTpm:
      return "TPM counter";
    case Anchor::kNothing:
      break;
  }
  return "nothing shows it";
}

std::string Describe(const ledger::Report& report) {
  std::string out =
      absl::StrCat("verdict ", static_cast<int>(report.verdict), " through ", report.through);
  for (const ledger::Finding& finding : report.findings) {
    absl::StrAppend(&out, "\n", finding.ToString());
  }
  for (const std::string& note : report.notes) absl::StrAppend(&out, "\nnote: ", note);
  return out;
}

std::string Squeezed(std::string text) {
  absl::RemoveExtraAsciiWhitespace(&text);
  return text;
}

AssertionResult TamperedWith(const ledger::Report& report, absl::string_view code) {
  if (report.verdict != ledger::Verdict::kTampered || report.findings.empty()) {
    return AssertionFailure() << "not TAMPERED: " << Describe(report);
  }
  const ledger::Finding& first = report.findings.front();
  if (first.code != code) return AssertionFailure() << "not " << code << ": " << Describe(report);
  if (first.end_sequence <= first.first_sequence || first.end_block <= first.block) {
    return AssertionFailure() << "names no records: " << Describe(report);
  }
  return AssertionSuccess();
}

}  // namespace

void ShownBy(Anchor anchor) {
  const std::string name(Name(anchor));
  ::testing::Test::RecordProperty("anchor", name);
  std::printf("anchor: %s\n", name.c_str());
}

AssertionResult TheThreatModelSays(absl::string_view sentence) {
  const std::string text = Squeezed(ledger::ReadAll(SourcePath("docs/threat-model.md")));
  if (absl::StrContains(text, Squeezed(std::string(sentence)))) return AssertionSuccess();
  return AssertionFailure() << "docs/threat-model.md does not say: " << sentence;
}

AssertionResult Tampered(const ledger::Report& report, absl::string_view code, uint64_t block) {
  AssertionResult result = TamperedWith(report, code);
  if (result && report.findings.front().block != block) {
    return AssertionFailure() << "not block " << block << ": " << Describe(report);
  }
  return result;
}

AssertionResult TamperedAround(const ledger::Report& report, absl::string_view code,
                               uint64_t block) {
  AssertionResult result = TamperedWith(report, code);
  if (result &&
      (block < report.findings.front().block || block >= report.findings.front().end_block)) {
    return AssertionFailure() << "block " << block << " is not named: " << Describe(report);
  }
  return result;
}

AssertionResult Ok(const ledger::Report& report, uint64_t through) {
  if (report.verdict == ledger::Verdict::kOk && report.through == through) {
    return AssertionSuccess();
  }
  return AssertionFailure() << "not OK through " << through << ": " << Describe(report);
}

void AttackTest::SetUp() {
  ASSERT_TRUE(log_.Open().ok());
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(log_.Append(absl::StrCat("/epoch/", epoch, "/", i)).ok());
      log_.ledger->Flush();
      if (i == 2) log_.Advance(absl::Seconds(1));  // a checkpoint within the epoch, too
    }
    if (epoch < 2) {
      ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
    }
  }
  ASSERT_TRUE(log_.ledger->Close("stop").ok());
  log_.ledger.reset();
  ASSERT_TRUE(Ok(Verify(), kBlocks));
}

ledger::VerifyOptions AttackTest::options() const {
  ledger::VerifyOptions options;
  options.key = log_.verifier_key();
  options.collector_key = CollectorKey();
  options.threads = 1;
  return options;
}

ledger::Report AttackTest::Verify(const ledger::VerifyOptions& options) const {
  return ledger::VerifyLog(log_.dir.path(), options);
}

ledger::Report AttackTest::VerifyWith(uint64_t epoch, const std::string& bytes) {
  const std::string good = Bytes(epoch);
  ledger::WriteAllTo(log_.SegmentPath(epoch), bytes);
  ledger::Report report = Verify();
  ledger::WriteAllTo(log_.SegmentPath(epoch), good);
  return report;
}

void AttackTest::GiveReceipt(const std::string& note) const {
  const std::string dir = log_.dir.path() + "/receipts";
  std::filesystem::create_directories(dir);
  ledger::WriteAllTo(dir + "/collector.example", Receipt(note));
}

std::string AttackTest::NewestNote() const {
  return ledger::ReadCheckpointFile(log_.dir.path())->note;
}

}  // namespace cairn::attack
