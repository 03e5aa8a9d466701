// No tag key of the past is left anywhere in this process's memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ledger/frame.h"
#include "ledger/hpke.h"
#include "ledger/reader.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

// What is looked for is kept with every bit turned over, so that the search finds no copy of ours.
using Masked = std::string;

Masked Mask(absl::string_view key) {
  std::string masked(key);
  for (char& byte : masked) byte = static_cast<char>(~byte);
  return masked;
}

bool Is(const uint8_t* at, const Masked& masked) {
  for (size_t i = 0; i < masked.size(); ++i) {
    if (at[i] != static_cast<uint8_t>(~masked[i])) return false;
  }
  return true;
}

struct Image {
  size_t keys = 0;         // of those looked for
  bool all_locked = true;  // in memory that is neither swapped nor dumped
};

// Which of `keys` stand in writable memory of this process. Flags of smaps as proc(5) has them: lo
// locked in memory, dd not in core dumps.
Image FindInImage(const std::vector<Masked>& keys) {
  Image image;
  std::set<size_t> found;
  std::vector<bool> begins(1 << 16);  // by a key's first two bytes
  for (const Masked& key : keys) {
    begins[static_cast<uint8_t>(~key[0]) << 8 | static_cast<uint8_t>(~key[1])] = true;
  }
  std::ifstream maps("/proc/self/smaps");
  std::FILE* const memory = std::fopen("/proc/self/mem", "rb");
  std::string line;
  uint64_t begin = 0;
  uint64_t end = 0;
  char rights[5] = {};
  bool special = false;
  constexpr size_t kPiece = 1 << 20;
  const auto piece = std::make_unique<uint8_t[]>(kPiece + 32);
  while (memory != nullptr && std::getline(maps, line)) {
    if (line.find('-') < line.find(':') && line.find('-') < line.find(' ')) {  // a new mapping
      std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, rights);
      special = absl::StrContains(line, "[v");
    }
    if (!absl::StartsWith(line, "VmFlags:") || rights[1] != 'w' || special) continue;
    const bool locked = absl::StrContains(line, " lo") && absl::StrContains(line, " dd");
    for (uint64_t at = begin; at < end; at += kPiece) {
      const size_t want = std::min<uint64_t>(kPiece + 31, end - at);
      const ssize_t n = ::pread(::fileno(memory), piece.get(), want, static_cast<off_t>(at));
      for (ssize_t i = 0; i + 32 <= n; ++i) {
        if (!begins[piece[i] << 8 | piece[i + 1]]) continue;
        for (size_t k = 0; k < keys.size(); ++k) {
          if (!Is(piece.get() + i, keys[k])) continue;
          found.insert(k);
          image.all_locked = image.all_locked && locked;
        }
      }
    }
  }
  if (memory != nullptr) std::fclose(memory);
  image.keys = found.size();
  return image;
}

// The keys of a log's blocks, from K_s as an auditor opens it (in a child's memory, not in ours).
std::vector<Masked> KeysOf(const std::string& dir, const uint8_t* auditor_bytes, size_t count) {
  int pipe[2];
  if (::pipe(pipe) != 0) return {};
  if (::fork() == 0) {
    const Secret32 auditor(auditor_bytes);
    StreamOptions options;
    std::string first;
    options.on_epoch = [&](const SegmentHeader& header, const EpochOpen& open, uint64_t block) {
      for (const SealedKey& sealed : open.sealed_keys()) {
        const auto key =
            HpkeOpen(auditor, {sealed.encapsulated(), sealed.ciphertext()},
                     {SealedKeyInfo(header.origin(), open.epoch(), block, open.public_key()), ""});
        if (key.ok()) first = *key;
      }
    };
    StreamVerifier verifier(std::move(options), std::nullopt);
    if (!verifier.BeginSegment("0").ok()) ::_exit(1);
    verifier.Feed(ReadAll(dir + "/0000000000.seg")).IgnoreError();
    TagKey key(Secret32(reinterpret_cast<const uint8_t*>(first.data())));
    for (size_t i = 0; i < count; ++i) {
      const Masked masked = Mask(key.secret().view());
      if (::write(pipe[1], masked.data(), masked.size()) != 32) ::_exit(2);
      key.TagAndEvolve(Hash{});  // the tag is of no matter: K evolves alone
    }
    ::_exit(0);
  }
  ::close(pipe[1]);
  std::vector<Masked> keys;
  std::string masked(32, '\0');
  for (size_t i = 0; i < count; ++i) {
    size_t have = 0;
    while (have < 32) {
      const ssize_t n = ::read(pipe[0], masked.data() + have, 32 - have);
      if (n <= 0) break;
      have += static_cast<size_t>(n);
    }
    if (have == 32) keys.push_back(masked);
  }
  ::close(pipe[0]);
  return keys;
}

TEST(ForgottenKey, TheProcessImageHoldsTheKeyOfNowAndNoneBefore) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "SKIPPED: the address sanitizer's shadow makes this image terabytes long; every "
                  "build without it runs this test";
#endif
  if (std::getenv("CAIRN_EMULATED") != nullptr) {
    GTEST_SKIP() << "NOT TESTED: qemu does not tell which pages are locked";
  }
  // WIPEONFORK takes the auditor's locked key from the child: it gets a plain copy.
  const Secret32 auditor = Secret32::Random();
  TestLog log;
  LedgerOptions options = log.options();
  options.recipients = {X25519PublicKey(auditor)};
  auto opened = Ledger::Open(std::move(options), log.key());
  ASSERT_TRUE(opened.ok()) << opened.status();
  log.ledger = *std::move(opened);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(log.Append(absl::StrCat("/", i)).ok());
    log.ledger->Flush();
  }
  ASSERT_TRUE(log.ledger->Sync().ok());
  const uint64_t blocks = log.ledger->stats().size;

  static uint8_t plain[32];
  std::copy(auditor.data(), auditor.data() + 32, plain);
  const std::vector<Masked> keys = KeysOf(log.dir.path(), plain, blocks + 1);
  ASSERT_EQ(keys.size(), blocks + 1);
  // That the search finds what is there: the key of the next block is, and an old one in a piece
  // of heap memory, at any alignment, is until it is wiped.
  const Image now = FindInImage({keys.back()});
  EXPECT_EQ(now.keys, 1u);
  EXPECT_TRUE(now.all_locked) << "the key of now may be swapped or dumped";
  for (const size_t shift : {0, 1, 7, 31}) {
    const auto heap = std::make_unique<uint8_t[]>(4096);
    for (size_t i = 0; i < 32; ++i) heap[shift + i] = static_cast<uint8_t>(~keys.front()[i]);
    const Image planted = FindInImage({keys.front()});
    EXPECT_EQ(planted.keys, 1u) << "shifted by " << shift;
    EXPECT_FALSE(planted.all_locked);
    Wipe(heap.get(), 4096);
  }
  EXPECT_EQ(FindInImage({keys.begin(), keys.end() - 1}).keys, 0u) << "an old tag key was not wiped";
}

}  // namespace
}  // namespace cairn::ledger
