// A log on a disk that fails: what it took, what it made durable, and whether that is what is
// found in the end.
#ifndef CAIRN_TESTS_FAULT_FAULT_LOG_H_
#define CAIRN_TESTS_FAULT_FAULT_LOG_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/ledger/test_log.h"
#include "tools/simulators/faulty_disk.h"

namespace cairn::ledger {

// One thread makes all calls of the disk, so that a seed and a fault's place replay exactly.
class FaultLog {
 public:
  explicit FaultLog(uint64_t seed) : random_(seed), disk_(&random_), log_(&disk_) {
    log_.SealToAuditor();
  }

  simulators::FaultyDisk& disk() { return disk_; }
  TestLog& log() { return log_; }

  absl::Status Open() { return log_.Open(); }
  // Appends numbered records, with flushes, commits, receipts and a new epoch between them, and
  // tries again after each fault as cairnd does.
  void Live(int records);
  // The disk works again: everything that was taken gets into the log, which closes.
  void MendAndClose();
  // Power cut, then a start, recovery and an orderly end.
  void CrashAndReopen();

  // The verdict is OK, the log holds what was taken (after a crash: the beginning of it, at least
  // what was durable, and a recovery record for the rest), each once and in order, and what a
  // collector has a receipt for.
  void Check();

  uint64_t generated() const { return generated_; }
  uint64_t refused() const { return refused_; }
  uint64_t receipted() const { return receipted_; }  // blocks

 private:
  void Sync();
  void TakeReceipt();
  void RetryWhileFaulty();

  std::mt19937_64 random_;
  simulators::FaultyDisk disk_;
  TestLog log_;
  bool crashed_ = false;
  uint64_t generated_ = 0;
  uint64_t refused_ = 0;         // Append said so
  std::vector<uint64_t> taken_;  // numbers, in order
  size_t durable_ = 0;           // of taken_, as a successful Sync said
  uint64_t receipted_ = 0;       // blocks
};

}  // namespace cairn::ledger

#endif  // CAIRN_TESTS_FAULT_FAULT_LOG_H_
