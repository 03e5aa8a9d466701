// The zstd dictionary of small blocks: what records of any host have in common. proto/FORMAT.md §3.
#ifndef CAIRN_LEDGER_BLOCK_DICTIONARY_H_
#define CAIRN_LEDGER_BLOCK_DICTIONARY_H_

#include "absl/strings/string_view.h"

struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

namespace cairn::ledger {

// In each frame that was compressed with it. 1 to 32767 are reserved for a registrar (zstd.h).
constexpr unsigned kBlockDictionaryId = 32769;

// proto/block.zdict as it was when this program was built.
absl::string_view BlockDictionary();

// Made at first use, and kept. Any thread.
const ZSTD_CDict_s* BlockCompressionDictionary();
const ZSTD_DDict_s* BlockInflationDictionary();

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_BLOCK_DICTIONARY_H_
