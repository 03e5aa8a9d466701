// The leaf hashes of several blocks at once. One SHA-256 waits for its own last round most of the
// time; several side by side, in the CPU's SHA instructions, take little longer than one.
#ifndef CAIRN_LEDGER_LEAF_HASH_H_
#define CAIRN_LEDGER_LEAF_HASH_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ledger/merkle.h"

namespace cairn::ledger {

// More blocks than these are not hashed faster.
inline constexpr size_t kHashLanes = 4;

// LeafHash of each of `blocks`, into leaves[0, blocks.size()). Any thread.
void LeafHashes(absl::Span<const absl::string_view> blocks, Hash* leaves);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LEAF_HASH_H_
