// The one verifier: the CLI runs it over files, the collector over bytes as they arrive.
// Verdicts: proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_VERIFIER_H_
#define CAIRN_LEDGER_VERIFIER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// What is wrong with a log, first block first.
struct Finding {
  std::string code;   // FORMAT.md §9: "chain", "frame", "checkpoint", "gap", …
  uint64_t block = 0;
  uint64_t first_sequence = 0;  // records in doubt: [first_sequence, end_sequence)
  uint64_t end_sequence = 0;
  std::string file;
  uint64_t offset = 0;
  std::string detail;  // one sentence
};

// Where a log stands after some number of blocks: all that is needed to go on from there.
struct LogState {
  std::string origin;
  uint64_t size = 0;           // blocks
  uint64_t next_sequence = 0;
  uint64_t next_epoch = 0;
  std::string chain;           // C after block size-1
  Frontier frontier;
};

// Follows the segments of one log, byte by byte, in order. Feed may cut anywhere.
// One thread. Memory: one frame (64 KiB) and the frontier.
class StreamVerifier {
 public:
  struct Options {
    VerifierKey log_key;                 // trusted; its name is the origin
    // Called for each checkpoint that verified, after the blocks it covers.
    std::function<void(const Checkpoint&, absl::string_view note)> on_checkpoint;
    // Called for each block that hashed and chained, parsed. May be empty.
    std::function<void(uint64_t index, const Block&)> on_block;
  };
  // Starts at the beginning of the log, or (`from`) at the start of a later segment.
  explicit StreamVerifier(Options options, std::optional<LogState> from = std::nullopt);
  ~StreamVerifier();

  // Starts the next segment file. DataLoss when the last one has not been sealed and
  // `epoch`'s header does not say so.
  absl::Status BeginSegment(uint64_t epoch);
  // DataLoss: tampered or corrupt; finding() has code, block and offset. Sticky.
  absl::Status Feed(absl::string_view bytes);

  const Finding* finding() const;        // null while all is well
  const LogState& state() const;         // after the last whole frame
  uint64_t offset() const;               // bytes of the current segment consumed by whole frames
  bool sealed() const;                   // the current segment ended with its seal
  // Blocks vouched for by a checkpoint signature so far.
  uint64_t checkpointed() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

enum class Verdict { kOk = 0, kTampered = 1, kIncomplete = 2, kBadInput = 3 };  // exit codes

struct Report {
  Verdict verdict = Verdict::kBadInput;
  std::string origin;
  std::string trust;            // key | self-key | none
  uint64_t through = 0;         // OK through N: blocks vouched for
  uint64_t size = 0;            // blocks read
  uint64_t records = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t first_block = 0;
  uint64_t first_epoch = 0;
  std::optional<uint64_t> incomplete_from;
  std::optional<uint64_t> anchored_from;
  uint64_t receipts = 0;        // cosignatures that verified
  std::vector<Finding> findings;
  std::vector<std::string> notes;  // what a reader should know: recoveries, unsealed tail, …
};

struct VerifyOptions {
  std::optional<VerifierKey> key;            // pinned
  bool self_key = false;                     // trust log.vkey beside the log
  std::optional<VerifierKey> collector_key;
  std::string receipts_dir;                  // default: DIR/receipts
  std::string through_note;                  // a checkpoint note the log must contain
  int threads = 0;                           // 0: one a core
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes; any thread
};

// Verifies a directory of segments or one segment file. Never fails: what cannot be read is
// a verdict.
Report VerifyLog(const std::string& path, const VerifyOptions& options);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_VERIFIER_H_
