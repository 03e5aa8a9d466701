#include "ledger/hpke.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <cstdlib>
#include <memory>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn::ledger {
namespace {

constexpr uint16_t kKemX25519 = 0x0020;
constexpr uint16_t kKdfSha256 = 0x0001;
constexpr size_t kTag = 16;

using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}
uint8_t* Bytes(std::string* text) { return reinterpret_cast<uint8_t*>(text->data()); }

std::string U16(uint16_t value) {
  char bytes[2];
  absl::big_endian::Store16(bytes, value);
  return std::string(bytes, 2);
}

// HKDF-SHA256 (RFC 5869), one half at a time.
std::string Hkdf(int mode, absl::string_view key, absl::string_view salt, absl::string_view info,
                 size_t length) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(
      EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  const std::string zeros(32, '\0');
  if (salt.empty()) salt = zeros;
  const auto octets = [](const char* name, absl::string_view bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
  };
  char digest[] = "SHA256";
  OSSL_PARAM params[6];
  OSSL_PARAM* next = params;
  *next++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
  *next++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
  *next++ = octets(OSSL_KDF_PARAM_KEY, key);
  if (mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) *next++ = octets(OSSL_KDF_PARAM_SALT, salt);
  if (mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY) *next++ = octets(OSSL_KDF_PARAM_INFO, info);
  *next = OSSL_PARAM_construct_end();
  std::string out(length, '\0');
  if (EVP_KDF_derive(context.get(), Bytes(&out), out.size(), params) != 1) std::abort();
  return out;
}

// RFC 9180 §4: LabeledExtract and LabeledExpand.
std::string LabeledExtract(absl::string_view suite, absl::string_view salt, absl::string_view label,
                           absl::string_view key) {
  return Hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, absl::StrCat("HPKE-v1", suite, label, key), salt, "",
              32);
}

std::string LabeledExpand(absl::string_view suite, absl::string_view key, absl::string_view label,
                          absl::string_view info, size_t length) {
  return Hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, key, "",
              absl::StrCat(U16(static_cast<uint16_t>(length)), "HPKE-v1", suite, label, info),
              length);
}

absl::StatusOr<std::string> DiffieHellman(const Secret32& private_key, absl::string_view peer) {
  const Pkey ours(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.data(), 32),
                  EVP_PKEY_free);
  const Pkey theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, Bytes(peer), peer.size()),
                    EVP_PKEY_free);
  const PkeyCtx context(EVP_PKEY_CTX_new(ours.get(), nullptr), EVP_PKEY_CTX_free);
  std::string shared(32, '\0');
  size_t size = shared.size();
  // OpenSSL refuses an all-zero result, as RFC 9180 §7.1.4 wants.
  if (theirs == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), theirs.get()) != 1 ||
      EVP_PKEY_derive(context.get(), Bytes(&shared), &size) != 1) {
    return absl::InvalidArgumentError("not an X25519 public key (32 bytes)");
  }
  return shared;
}

// §4.1: ExtractAndExpand over the shared point.
std::string SharedSecret(absl::string_view dh, absl::string_view encapsulated,
                         absl::string_view recipient) {
  const std::string suite = absl::StrCat("KEM", U16(kKemX25519));
  const std::string prk = LabeledExtract(suite, "", "eae_prk", dh);
  return LabeledExpand(suite, prk, "shared_secret", absl::StrCat(encapsulated, recipient), 32);
}

struct KeyAndNonce {
  std::string key;
  std::string nonce;
  ~KeyAndNonce() { Wipe(key.data(), key.size()); }
};

// §5.1: KeySchedule, base mode.
KeyAndNonce Schedule(absl::string_view secret, const HpkeContext& context) {
  const std::string suite = absl::StrCat("HPKE", U16(kKemX25519), U16(kKdfSha256),
                                         U16(static_cast<uint16_t>(context.aead)));
  const std::string schedule =
      absl::StrCat(std::string(1, '\0'), LabeledExtract(suite, "", "psk_id_hash", ""),
                   LabeledExtract(suite, "", "info_hash", context.info));
  const std::string key = LabeledExtract(suite, secret, "secret", "");
  return {
      LabeledExpand(suite, key, "key", schedule, context.aead == HpkeAead::kAes256Gcm ? 32 : 16),
      LabeledExpand(suite, key, "base_nonce", schedule, 12)};
}

const EVP_CIPHER* Cipher(HpkeAead aead) {
  return aead == HpkeAead::kAes256Gcm ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
}

// One AES-GCM pass in either direction; false when the tag does not fit.
bool Gcm(bool encrypt, const KeyAndNonce& keys, const HpkeContext& context, absl::string_view in,
         std::string* tag, std::string* out) {
  const CipherCtx cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  out->resize(in.size());
  return EVP_CipherInit_ex(cipher.get(), Cipher(context.aead), nullptr, Bytes(keys.key),
                           Bytes(keys.nonce), encrypt ? 1 : 0) == 1 &&
         EVP_CipherUpdate(cipher.get(), nullptr, &length, Bytes(context.aad),
                          static_cast<int>(context.aad.size())) == 1 &&
         EVP_CipherUpdate(cipher.get(), Bytes(out), &length, Bytes(in),
                          static_cast<int>(in.size())) == 1 &&
         (encrypt ||
          EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTag, tag->data()) == 1) &&
         EVP_CipherFinal_ex(cipher.get(), Bytes(out) + length, &length) == 1 &&
         (!encrypt ||
          EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTag, tag->data()) == 1);
}

}  // namespace

std::string X25519PublicKey(const Secret32& private_key) {
  const Pkey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.data(), 32),
                 EVP_PKEY_free);
  std::string out(32, '\0');
  size_t size = out.size();
  if (EVP_PKEY_get_raw_public_key(key.get(), Bytes(&out), &size) != 1) std::abort();
  return out;
}

absl::StatusOr<HpkeSealed> HpkeSeal(absl::string_view recipient, const Secret32& ephemeral,
                                    const HpkeContext& context, absl::string_view plaintext) {
  HpkeSealed sealed;
  sealed.encapsulated = X25519PublicKey(ephemeral);
  ASSIGN_OR_RETURN(std::string dh, DiffieHellman(ephemeral, recipient));
  std::string secret = SharedSecret(dh, sealed.encapsulated, recipient);
  const KeyAndNonce keys = Schedule(secret, context);
  Wipe(dh.data(), dh.size());
  Wipe(secret.data(), secret.size());
  std::string tag(kTag, '\0');
  if (!Gcm(true, keys, context, plaintext, &tag, &sealed.ciphertext)) std::abort();
  sealed.ciphertext += tag;
  return sealed;
}

absl::StatusOr<std::string> HpkeOpen(const Secret32& private_key, const HpkeSealed& sealed,
                                     const HpkeContext& context) {
  if (sealed.ciphertext.size() < kTag) return absl::DataLossError("sealed key is too short");
  ASSIGN_OR_RETURN(std::string dh, DiffieHellman(private_key, sealed.encapsulated));
  std::string secret = SharedSecret(dh, sealed.encapsulated, X25519PublicKey(private_key));
  const KeyAndNonce keys = Schedule(secret, context);
  Wipe(dh.data(), dh.size());
  Wipe(secret.data(), secret.size());
  const size_t size = sealed.ciphertext.size() - kTag;
  std::string tag = sealed.ciphertext.substr(size);
  std::string plaintext;
  if (!Gcm(false, keys, context, absl::string_view(sealed.ciphertext).substr(0, size), &tag,
           &plaintext)) {
    return absl::DataLossError("sealed key does not open: another recipient, or changed");
  }
  return plaintext;
}

}  // namespace cairn::ledger
