// SHA-256 and HMAC-SHA256 for short inputs, on OpenSSL's compression function.
// FIPS 180-4, RFC 2104; proto/FORMAT.md §4.
#ifndef CAIRN_LEDGER_HASH_H_
#define CAIRN_LEDGER_HASH_H_

#include <cstdint>
#include <initializer_list>

#include "absl/strings/string_view.h"
#include "base/secret.h"
#include "ledger/merkle.h"

namespace cairn::ledger {

// SHA-256 of `parts` joined. Any thread.
Hash Sha256(std::initializer_list<absl::string_view> parts);

// SHA-256 of text[0, size), size <= 119; what is behind is overwritten. For nodes and chains.
Hash Sha256Short(uint8_t text[128], size_t size);

// C_-1 = H(0x03 ‖ origin).
Hash ChainOrigin(absl::string_view origin);
// C_i = H(0x02 ‖ C_{i-1} ‖ u64(i) ‖ L_i).
Hash ChainNext(const Hash& previous, uint64_t index, const Hash& leaf);

// T_i: what a block is tagged with.
using Tag = std::array<uint8_t, 16>;

// K_i: makes one block's tag and becomes K_{i+1}; the old key is wiped. One thread.
class TagKey {
 public:
  TagKey() = default;  // K of zeros: replace before use
  explicit TagKey(Secret32 key) : key_(std::move(key)) {}

  Tag TagAndEvolve(const Hash& chain);
  // K = HMAC(K_end, "epoch\0" ‖ u64(epoch)); K_end is wiped.
  void NextEpoch(uint64_t epoch);

  Hash Commitment() const;  // H(0x06 ‖ K)
  const Secret32& secret() const { return key_; }

 private:
  Secret32 key_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_HASH_H_
