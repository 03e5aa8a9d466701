// Ed25519 keys (RFC 8032), through OpenSSL.
#ifndef CAIRN_LEDGER_KEY_H_
#define CAIRN_LEDGER_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret.h"

namespace cairn::ledger {

class Tpm;

// A private key's file: 64 lower-case hexadecimal digits and a newline, mode 0600, owned by who
// loads it or by root. InvalidArgument: its content. PermissionDenied: its mode or owner.
absl::StatusOr<Secret32> LoadSecret(const std::string& path);
// Makes such a file, durably. AlreadyExists: a key is never overwritten.
absl::Status SaveSecret(const Secret32& secret, const std::string& path);

// A private key in locked memory. Move only. Sign from one thread at a time.
class SigningKey {
 public:
  static SigningKey Generate();
  // RFC 8032 seed, 32 bytes.
  static SigningKey FromSeed(Secret32 seed);
  // LoadSecret and SaveSecret of its seed, or of it as `tpm` (null: none) sealed it. A sealed key
  // needs that TPM: FailedPrecondition without one, else as Tpm::Unseal.
  static absl::StatusOr<SigningKey> Load(const std::string& path, Tpm* tpm = nullptr);
  absl::Status Save(const std::string& path, Tpm* tpm = nullptr) const;
  SigningKey Clone() const;
  const std::string& public_key() const { return public_key_; }  // 32 bytes
  std::string Sign(absl::string_view message) const;             // 64 bytes
  absl::string_view seed() const { return seed_.view(); }

 private:
  explicit SigningKey(Secret32 seed);

  Secret32 seed_;
  std::string public_key_;
};

// True when `signature` (64 bytes) over `message` is by `public_key` (32 bytes).
bool VerifySignature(absl::string_view public_key, absl::string_view message,
                     absl::string_view signature);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_KEY_H_
