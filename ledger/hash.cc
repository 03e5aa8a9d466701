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
// The longest text whose padding (0x80, zeros, u64 length in bits) ends in a second block.
constexpr size_t kShort = 2 * kBlock - 9;

void StoreState(const SHA256_CTX& state, uint8_t out[32]) {
  for (size_t i = 0; i < 8; ++i) absl::big_endian::Store32(out + 4 * i, state.h[i]);
}

// Finishes a hash whose last `size` (<= kShort) bytes are at the start of `text`, which has room
// for two blocks; `before` bytes went into `state` already. Without the buffering of
// SHA256_Update and SHA256_Final, which costs as much as the compression of a block.
void FinishShort(SHA256_CTX* state, uint8_t text[2 * kBlock], size_t size, size_t before,
                 uint8_t out[32]) {
  const size_t end = size < kBlock - 8 ? kBlock : 2 * kBlock;
  text[size] = 0x80;
  std::memset(text + size + 1, 0, end - size - 1 - 8);
  absl::big_endian::Store64(text + end - 8, (before + size) * 8);
  SHA256_Transform(state, text);
  if (end > kBlock) SHA256_Transform(state, text + kBlock);
  StoreState(*state, out);
}

// The states after the inner and the outer padded key: half of every HMAC with that key.
class HmacState {
 public:
  explicit HmacState(const uint8_t key[32]) {
    Start(key, 0x36, &inner_);
    Start(key, 0x5c, &outer_);
  }
  ~HmacState() {
    Wipe(&inner_, sizeof inner_);
    Wipe(&outer_, sizeof outer_);
  }
  HmacState(const HmacState&) = delete;
  HmacState& operator=(const HmacState&) = delete;

  // Of a text of at most kShort bytes.
  void Mac(std::initializer_list<absl::string_view> parts, uint8_t out[32]) const {
    uint8_t text[2 * kBlock];
    size_t size = 0;
    for (const absl::string_view part : parts) {
      std::memcpy(text + size, part.data(), part.size());
      size += part.size();
    }
    SHA256_CTX state = inner_;
    FinishShort(&state, text, size, kBlock, text);
    state = outer_;
    FinishShort(&state, text, 32, kBlock, out);
    Wipe(text, 32);
    Wipe(&state, sizeof state);
  }

 private:
  static void Start(const uint8_t key[32], uint8_t with, SHA256_CTX* state) {
    uint8_t pad[kBlock];
    std::memset(pad, with, kBlock);
    for (size_t i = 0; i < 32; ++i) pad[i] ^= key[i];
    SHA256_Init(state);
    SHA256_Transform(state, pad);
    Wipe(pad, sizeof pad);
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
  SHA256_Final(hash.data(), &context);
  return hash;
}

Hash Sha256Short(uint8_t text[128], size_t size) {
  SHA256_CTX state;
  SHA256_Init(&state);
  Hash hash;
  FinishShort(&state, text, size, 0, hash.data());
  return hash;
}

Hash ChainOrigin(absl::string_view origin) { return Sha256({Byte(kOriginByte), origin}); }

Hash ChainNext(const Hash& previous, uint64_t index, const Hash& leaf) {
  uint8_t text[128];
  text[0] = kChainByte;
  std::memcpy(text + 1, previous.data(), 32);
  absl::big_endian::Store64(text + 33, index);
  std::memcpy(text + 41, leaf.data(), 32);
  return Sha256Short(text, 1 + 32 + 8 + 32);
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
