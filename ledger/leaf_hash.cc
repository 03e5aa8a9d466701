#include "ledger/leaf_hash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/base/internal/endian.h"
#include "ledger/format.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace cairn::ledger {
namespace {

#if defined(__x86_64__)
constexpr size_t kBlock = 64;  // of SHA-256

// FIPS 180-4 §4.2.2 and §5.3.3.
alignas(16) constexpr uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
constexpr uint32_t kStart[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// One text 0x00 ‖ block on its way through the compression function, in up to three runs: its
// first 64 bytes, the block's own bytes where they lie, and the padded end.
class Lane {
 public:
  void Start(absl::string_view block) {
    std::copy_n(kStart, 8, state);
    const uint8_t* at = reinterpret_cast<const uint8_t*>(block.data());
    size_t left = block.size();
    uint8_t* text = last_;
    if (left >= kBlock - 1) {
      first_[0] = kLeafByte;
      std::memcpy(first_ + 1, at, kBlock - 1);
      at += kBlock - 1;
      left -= kBlock - 1;
      AddRun(first_, 1);
      if (left >= kBlock) AddRun(at, left / kBlock);
      at += left / kBlock * kBlock;
      left %= kBlock;
    } else {
      *text++ = kLeafByte;
    }
    if (left > 0) std::memcpy(text, at, left);
    text += left;
    const size_t size = static_cast<size_t>(text - last_);
    const size_t padded = size < kBlock - 8 ? kBlock : 2 * kBlock;
    *text = 0x80;
    std::memset(text + 1, 0, padded - size - 1);
    absl::big_endian::Store64(last_ + padded - 8, (block.size() + 1) * 8);
    AddRun(last_, padded / kBlock);
  }

  bool done() const { return run_ == end_; }
  const uint8_t* data() const { return runs_[run_].at; }
  size_t blocks() const { return runs_[run_].blocks; }  // that lie at data()
  void Advance(size_t blocks) {
    runs_[run_].at += blocks * kBlock;
    runs_[run_].blocks -= blocks;
    if (runs_[run_].blocks == 0) ++run_;
  }
  Hash hash() const {
    Hash hash;
    for (size_t i = 0; i < 8; ++i) absl::big_endian::Store32(hash.data() + 4 * i, state[i]);
    return hash;
  }

  uint32_t state[8];

 private:
  struct Run {
    const uint8_t* at;
    size_t blocks;
  };

  void AddRun(const uint8_t* at, size_t blocks) { runs_[end_++] = {at, blocks}; }

  Run runs_[3];
  size_t run_ = 0;
  size_t end_ = 0;
  uint8_t first_[kBlock];
  uint8_t last_[2 * kBlock];
};

__m128i Load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
void Store(void* to, __m128i value) { _mm_storeu_si128(static_cast<__m128i*>(to), value); }

// Takes `blocks` blocks from each of kLanes lanes: all of them have as many at data(). The
// instructions hold the state as ABEF and CDGH, and four words of the message schedule a register.
template <size_t kLanes>
__attribute__((target("sha,sse4.1"))) void Compress(Lane* const* lanes, size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef[kLanes];
  __m128i cdgh[kLanes];
  const uint8_t* data[kLanes];
  for (size_t i = 0; i < kLanes; ++i) {
    data[i] = lanes[i]->data();
    const __m128i abcd = _mm_shuffle_epi32(Load(lanes[i]->state), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(Load(lanes[i]->state + 4), 0x1b);
    abef[i] = _mm_alignr_epi8(abcd, efgh, 8);
    cdgh[i] = _mm_blend_epi16(efgh, abcd, 0xf0);
  }
  for (size_t block = 0; block < blocks; ++block) {
    __m128i words[kLanes][4];  // the last sixteen
    __m128i abef_before[kLanes];
    __m128i cdgh_before[kLanes];
    for (size_t i = 0; i < kLanes; ++i) {
      abef_before[i] = abef[i];
      cdgh_before[i] = cdgh[i];
    }
#pragma GCC unroll 16
    for (size_t four = 0; four < 16; ++four) {
#pragma GCC unroll 4
      for (size_t i = 0; i < kLanes; ++i) {
        __m128i* const w = words[i];
        __m128i& next = w[four % 4];
        if (four < 4) {
          next = _mm_shuffle_epi8(Load(data[i] + kBlock * block + 16 * four), big_endian);
        } else {
          const __m128i middle = _mm_alignr_epi8(w[(four + 3) % 4], w[(four + 2) % 4], 4);
          next = _mm_sha256msg2_epu32(
              _mm_add_epi32(_mm_sha256msg1_epu32(next, w[(four + 1) % 4]), middle),
              w[(four + 3) % 4]);
        }
        const __m128i sum = _mm_add_epi32(next, Load(kRounds + 4 * four));
        cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], sum);
        abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_shuffle_epi32(sum, 0x0e));
      }
    }
    for (size_t i = 0; i < kLanes; ++i) {
      abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
      cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
    }
  }
  for (size_t i = 0; i < kLanes; ++i) {
    const __m128i feba = _mm_shuffle_epi32(abef[i], 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(cdgh[i], 0xb1);
    Store(lanes[i]->state, _mm_blend_epi16(feba, dchg, 0xf0));
    Store(lanes[i]->state + 4, _mm_alignr_epi8(dchg, feba, 8));
    lanes[i]->Advance(blocks);
  }
}

bool HaveShaInstructions() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 &&
         __builtin_cpu_supports("sse4.1");
}

// At most kHashLanes blocks.
void HashSideBySide(absl::Span<const absl::string_view> blocks, Hash* leaves) {
  Lane lanes[kHashLanes];
  for (size_t i = 0; i < blocks.size(); ++i) lanes[i].Start(blocks[i]);
  for (;;) {
    Lane* busy[kHashLanes];
    size_t count = 0;
    size_t common = SIZE_MAX;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (lanes[i].done()) continue;
      common = std::min(common, lanes[i].blocks());
      busy[count++] = &lanes[i];
    }
    if (count == 0) break;
    switch (count) {
      case 1:
        Compress<1>(busy, common);
        break;
      case 2:
        Compress<2>(busy, common);
        break;
      case 3:
        Compress<3>(busy, common);
        break;
      default:
        Compress<4>(busy, common);
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) leaves[i] = lanes[i].hash();
}
#endif

}  // namespace

void LeafHashes(absl::Span<const absl::string_view> blocks, Hash* leaves) {
#if defined(__x86_64__)
  static const bool sha = HaveShaInstructions();
  for (; sha && !blocks.empty();) {
    const size_t now = std::min(blocks.size(), kHashLanes);
    HashSideBySide(blocks.first(now), leaves);
    blocks.remove_prefix(now);
    leaves += now;
  }
#endif
  for (const absl::string_view block : blocks) *leaves++ = LeafHash(block);
}

}  // namespace cairn::ledger
