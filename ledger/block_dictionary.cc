#include "ledger/block_dictionary.h"

#include <zstd.h>

namespace cairn::ledger {
namespace {

constexpr unsigned char kBytes[] = {
#include "ledger/block_zdict.inc"  // made from proto/block.zdict
};
constexpr int kLevel = 4;  // of small blocks: level 5 takes half as long again for nothing

}  // namespace

absl::string_view BlockDictionary() {
  return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)};
}

const ZSTD_CDict_s* BlockCompressionDictionary() {
  static const ZSTD_CDict* const dictionary =
      ZSTD_createCDict(BlockDictionary().data(), BlockDictionary().size(), kLevel);
  return dictionary;
}

const ZSTD_DDict_s* BlockInflationDictionary() {
  static const ZSTD_DDict* const dictionary =
      ZSTD_createDDict(BlockDictionary().data(), BlockDictionary().size());
  return dictionary;
}

}  // namespace cairn::ledger
