// Logs for tests: a temporary directory, a fixed key, a clock that only moves when told to.
#ifndef CAIRN_TESTS_LEDGER_TEST_LOG_H_
#define CAIRN_TESTS_LEDGER_TEST_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/merkle.h"
#include "ledger/verifier.h"

namespace cairn::ledger {

inline constexpr char kTestOrigin[] = "test.example/h/00000000-0000-4000-8000-000000000001/1";

// A new directory under TMPDIR, removed with all in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class TestLog {
 public:
  explicit TestLog(Io* io = Io::Real());

  LedgerOptions options();
  SigningKey key() const;
  VerifierKey verifier_key() const;

  absl::Status Open();
  // Drops the ledger as a crash would: what was not written is gone.
  void Crash() { ledger.reset(); }
  // One file.open of `path` by a process of `pid`.
  absl::Status Append(const std::string& path, uint32_t pid = 100, bool urgent = false);
  // Moves the clock and lets the ledger do what is due, committer included.
  void Advance(absl::Duration by);
  Report Verify();
  std::string SegmentPath(uint64_t epoch) const;

  // From the next Open on, tag keys are sealed to an auditor, as whom Verify then looks.
  void SealToAuditor() { auditor_ = std::make_unique<Secret32>(Secret32::Random()); }

  TempDir dir;
  Io* io;
  LedgerLimits limits;
  std::shared_ptr<uint64_t> clock_ns = std::make_shared<uint64_t>(1'000'000'000'000);
  std::unique_ptr<Ledger> ledger;

 private:
  std::unique_ptr<Secret32> auditor_;  // null: none
  std::unique_ptr<Subject> subjects_[8];
};

std::string ReadAll(const std::string& path);
void WriteAllTo(const std::string& path, const std::string& bytes);
void CopyLog(const std::string& from, const std::string& to);

// Proofs from all leaf hashes of a tree.
std::vector<Hash> InclusionProof(const std::vector<Hash>& leaves, uint64_t index);
std::vector<Hash> ConsistencyProof(const std::vector<Hash>& leaves, uint64_t old_size);

}  // namespace cairn::ledger

#endif  // CAIRN_TESTS_LEDGER_TEST_LOG_H_
