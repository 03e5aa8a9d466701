#include "ledger/leaf_hash.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::ledger {
namespace {

std::string Bytes(size_t size, std::mt19937* random) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((*random)());
  return bytes;
}

void ExpectSame(const std::vector<std::string>& blocks) {
  const std::vector<absl::string_view> views(blocks.begin(), blocks.end());
  std::vector<Hash> leaves(blocks.size());
  LeafHashes(views, leaves.data());
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_EQ(leaves[i], LeafHash(blocks[i]))
        << "block " << i << " of " << blocks.size() << ", " << blocks[i].size() << " bytes";
  }
}

TEST(LeafHashes, EveryLengthUpToFiveSha256BlocksIsHashedAsAlone) {
  std::mt19937 random(1);
  for (size_t size = 0; size <= 320; ++size) ExpectSame({Bytes(size, &random)});
}

TEST(LeafHashes, EveryPairOfLengthsAroundTheEdgesIsHashedAsAlone) {
  std::mt19937 random(2);
  const size_t sizes[] = {0, 1, 54, 55, 62, 63, 64, 117, 118, 119, 126, 127, 128, 191, 192, 1000};
  for (const size_t a : sizes) {
    for (const size_t b : sizes) ExpectSame({Bytes(a, &random), Bytes(b, &random)});
  }
}

TEST(LeafHashes, AnyNumberOfBlocksOfAnyLengthsIsHashedAsAlone) {
  std::mt19937 random(3);
  ExpectSame({});
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> blocks(1 + random() % (3 * kHashLanes));
    for (std::string& block : blocks) block = Bytes(random() % (1 << random() % 17), &random);
    ExpectSame(blocks);
  }
}

}  // namespace
}  // namespace cairn::ledger
