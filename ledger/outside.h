// Statements about a log from outside its segments: the file `checkpoint`, receipts, and a note
// the caller holds. What the trusted key signed must be in the log. proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_OUTSIDE_H_
#define CAIRN_LEDGER_OUTSIDE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "ledger/frame.h"
#include "ledger/note.h"

namespace cairn::ledger {

// Add and Read before See, Unseen behind it. See: any thread.
class Outside {
 public:
  // Without a log key every well-formed note is a statement.
  Outside(std::optional<VerifierKey> log_key, std::optional<VerifierKey> collector_key)
      : log_key_(std::move(log_key)), collector_key_(std::move(collector_key)) {}

  // `code` is the finding's when the statement does not fit the log. False: not taken, notes() says
  // why.
  bool Add(absl::string_view note, absl::string_view where, absl::string_view code)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Every file of `dir`, at most 100,000; how many were taken. NotFound: no such directory.
  absl::StatusOr<size_t> AddReceipts(const std::string& dir);

  // A checkpoint that stands in the log and verified.
  void See(const Checkpoint& checkpoint) ABSL_LOCKS_EXCLUDED(mutex_);

  // A statement that no checkpoint of the log bears out.
  struct Unseen {
    std::string where;
    std::string code;
    uint64_t size = 0;         // blocks it vouches for
    uint64_t agreed_size = 0;  // of the largest smaller one that was seen; 0: none
  };
  // By size.
  std::vector<Unseen> Missing() const ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t receipts() const { return receipts_; }    // cosignatures that verified
  uint64_t receipted() const { return receipted_; }  // blocks the newest of them covers
  const std::vector<std::string>& notes() const { return notes_; }  // what was not taken, and why

 private:
  struct Statement {
    std::string where;
    std::string code;
    Checkpoint checkpoint;
    bool seen = false;
  };

  const std::optional<VerifierKey> log_key_;
  const std::optional<VerifierKey> collector_key_;
  uint64_t receipts_ = 0;
  uint64_t receipted_ = 0;
  std::vector<std::string> notes_;
  mutable absl::Mutex mutex_;
  std::multimap<uint64_t, Statement> statements_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_OUTSIDE_H_
