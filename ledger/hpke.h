// HPKE base mode, one message: RFC 9180 with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256.
// How an epoch's first tag key reaches auditors (proto/FORMAT.md §4).
#ifndef CAIRN_LEDGER_HPKE_H_
#define CAIRN_LEDGER_HPKE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret.h"

namespace cairn::ledger {

// cairn writes AES-256-GCM; AES-128-GCM is there for RFC 9180's published vectors.
enum class HpkeAead : uint16_t { kAes128Gcm = 1, kAes256Gcm = 2 };

struct HpkeSealed {
  std::string encapsulated;  // 32 bytes
  std::string ciphertext;    // of the plaintext's length and 16
};

struct HpkeContext {
  absl::string_view info;
  absl::string_view aad;
  HpkeAead aead = HpkeAead::kAes256Gcm;
};

// The X25519 public key of a private one, 32 bytes.
std::string X25519PublicKey(const Secret32& private_key);

// Seals `plaintext` to `recipient` (X25519 public key). `ephemeral` is the sender's key pair;
// use Secret32::Random() but for test vectors. InvalidArgument: not a public key.
absl::StatusOr<HpkeSealed> HpkeSeal(absl::string_view recipient, const Secret32& ephemeral,
                                    const HpkeContext& context, absl::string_view plaintext);

// DataLoss: sealed to another key, with another context, or changed.
absl::StatusOr<std::string> HpkeOpen(const Secret32& private_key, const HpkeSealed& sealed,
                                     const HpkeContext& context);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_HPKE_H_
