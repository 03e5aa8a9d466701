// The low-level SHA-256 interface is deprecated in OpenSSL 3 for want of provider choice, not
// for a fault; EVP adds 35 ns a call and cannot start from a half-made HMAC state.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ledger/hash.h"

#include <openssl/sha.h>

#include <cstring>

#include "absl/base/internal/endian.h"
#include "ledger/format.h"

namespace cairn::ledger {
namespace {

constexpr size_t kBlock = 64;

void Finish(SHA256_CTX* context, uint8_t* out) { SHA256_Final(out, context); }

// The states after the inner and the outer padded key: half of every HMAC with that key.
class HmacState {
 public:
  explicit HmacState(const uint8_t key[32]) {
    uint8_t pad[kBlock];
    Start(key, 0x36, pad, &inner_);
    Start(key, 0x5c, pad, &outer_);
    Wipe(pad, sizeof pad);
  }
  ~HmacState() {
    Wipe(&inner_, sizeof inner_);
    Wipe(&outer_, sizeof outer_);
  }
  HmacState(const HmacState&) = delete;
  HmacState& operator=(const HmacState&) = delete;

  void Mac(std::initializer_list<absl::string_view> parts, uint8_t out[32]) const {
    SHA256_CTX context = inner_;
    for (const absl::string_view part : parts) SHA256_Update(&context, part.data(), part.size());
    uint8_t digest[32];
    Finish(&context, digest);
    context = outer_;
    SHA256_Update(&context, digest, sizeof digest);
    Finish(&context, out);
    Wipe(digest, sizeof digest);
    Wipe(&context, sizeof context);
  }

 private:
  static void Start(const uint8_t key[32], uint8_t with, uint8_t pad[kBlock], SHA256_CTX* context) {
    std::memset(pad, with, kBlock);
    for (size_t i = 0; i < 32; ++i) pad[i] ^= key[i];
    SHA256_Init(context);
    SHA256_Update(context, pad, kBlock);
  }

  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

absl::string_view Byte(const uint8_t& byte) { return {reinterpret_cast<const char*>(&byte), 1}; }

}  // namespace

Hash Sha256(std::initializer_list<absl::string_view> parts) {
  SHA256_CTX context;
  SHA256_Init(&context);
  for (const absl::string_view part : parts) SHA256_Update(&context, part.data(), part.size());
  Hash hash;
  Finish(&context, hash.data());
  return hash;
}

Hash ChainOrigin(absl::string_view origin) { return Sha256({Byte(kOriginByte), origin}); }

Hash ChainNext(const Hash& previous, uint64_t index, const Hash& leaf) {
  uint8_t text[1 + 32 + 8 + 32];
  text[0] = kChainByte;
  std::memcpy(text + 1, previous.data(), 32);
  absl::big_endian::Store64(text + 33, index);
  std::memcpy(text + 41, leaf.data(), 32);
  return Sha256({absl::string_view(reinterpret_cast<const char*>(text), sizeof text)});
}

Hash Hmac(absl::string_view key, std::initializer_list<absl::string_view> parts) {
  Hash out;
  HmacState(reinterpret_cast<const uint8_t*>(key.data())).Mac(parts, out.data());
  return out;
}

Tag TagKey::TagAndEvolve(const Hash& chain) {
  const HmacState state(key_.data());
  uint8_t mac[32];
  state.Mac({absl::string_view("tag\0", 4), View(chain)}, mac);
  Tag tag;
  std::memcpy(tag.data(), mac, tag.size());
  state.Mac({absl::string_view("evolve\0", 7)}, key_.data());
  return tag;
}

void TagKey::NextEpoch(uint64_t epoch) {
  char number[8];
  absl::big_endian::Store64(number, epoch);
  const HmacState state(key_.data());
  state.Mac({absl::string_view("epoch\0", 6), absl::string_view(number, 8)}, key_.data());
}

Hash TagKey::Commitment() const { return Sha256({Byte(kKeyCommitmentByte), key_.view()}); }

}  // namespace cairn::ledger
