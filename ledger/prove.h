// Proofs about blocks that need nothing but a pinned key to check: c2sp.org/tlog-proof,
// RFC 9162 §2.1.
#ifndef CAIRN_LEDGER_PROVE_H_
#define CAIRN_LEDGER_PROVE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/log_tree.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

namespace cairn::ledger {

struct BlockProof {
  uint64_t index = 0;  // of the block
  std::string block;   // its stored bytes: the leaf is their hash
  std::vector<Hash> hashes;
  std::string note;  // the checkpoint the path leads to, with all its signatures

  std::string ToString() const;  // c2sp.org/tlog-proof@v1
  // InvalidArgument: not a proof. The block is not part of the text.
  static absl::StatusOr<BlockProof> Parse(absl::string_view text);
};

// Whether `proof` shows that a block with these stored bytes is in the log of `key`, and under
// which size. DataLoss: it does not.
absl::StatusOr<uint64_t> CheckProof(const BlockProof& proof, absl::string_view block,
                                    const VerifierKey& key);

// Proves the block that holds record `sequence` in the log at `dir`, under its newest
// checkpoint: a receipt's where that covers the block, so that the collector's cosignature comes
// along. Reads what LogTree must; whether the rest of the log is whole is Verify's matter.
// NotFound: no such record under a checkpoint; DataLoss: what was read does not lead to the signed
// root, or is damaged.
absl::StatusOr<BlockProof> ProveRecord(const std::string& dir, uint64_t sequence,
                                       const LogTree::Progress& progress);

struct ConsistencyReport {
  uint64_t old_size = 0;
  uint64_t size = 0;
  Hash old_root{};
  Hash root{};
  std::vector<Hash> hashes;
};

// Proves that the first `old_size` blocks are a prefix of the first `size`, and both of what the
// newest checkpoint vouches for. OutOfRange: they do not rise, or no checkpoint covers them.
absl::StatusOr<ConsistencyReport> ProveConsistency(const std::string& dir, uint64_t old_size,
                                                   uint64_t size,
                                                   const LogTree::Progress& progress);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_PROVE_H_
