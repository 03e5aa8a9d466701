// Verifies a whole log on disk and gives a verdict. proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_VERIFIER_H_
#define CAIRN_LEDGER_VERIFIER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger/note.h"
#include "ledger/stream_verifier.h"

namespace cairn::ledger {

enum class Verdict { kOk = 0, kTampered = 1, kIncomplete = 2, kBadInput = 3 };  // exit codes

struct Report {
  Verdict verdict = Verdict::kBadInput;
  std::string origin;
  std::string trust;     // key | self-key | none
  uint64_t through = 0;  // OK through N: blocks vouched for
  uint64_t size = 0;     // blocks read
  uint64_t records = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t first_block = 0;
  uint64_t first_epoch = 0;
  uint64_t first_sequence = 0;
  std::optional<uint64_t> incomplete_from;
  std::optional<uint64_t> anchored_from;
  uint64_t tags_checked = 0;                // blocks, with the recipient's key
  uint64_t redacted = 0;                    // blocks
  std::vector<BlockRange> redacted_ranges;  // the same, neighbours joined; the first 10,000
  uint64_t receipts = 0;                    // cosignatures that verified
  uint64_t receipted = 0;                   // blocks the newest of them covers
  std::vector<Finding> findings;            // by block; the first 10,000
  std::vector<std::string> notes;  // what a reader should know: recoveries, unsealed tail, …
};

struct VerifyOptions {
  std::optional<VerifierKey> key;  // pinned
  bool self_key = false;           // trust log.vkey beside the log
  std::optional<VerifierKey> collector_key;
  std::string receipts_dir;  // must hold receipts of this log; default: DIR/receipts, which may not
  const Secret32* recipient_key = nullptr;  // see StreamOptions; outlives the call
  bool allow_redacted = false;              // an exported copy is as good
  uint64_t tpm_counter = 0;                 // of the host's TPM; 0: not known
  std::optional<std::string> through_note;  // a checkpoint note the log must contain
  int threads = 0;                          // 0: one a core
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes; any thread
};

// Verifies a directory of segments, several at a time, or one segment file. Never fails: what
// cannot be read is a verdict. Memory: 512 KiB and a few headers a thread, 100 bytes a segment.
Report VerifyLog(const std::string& path, const VerifyOptions& options);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_VERIFIER_H_
