// A Merkle tree (ledger/merkle.h) in tiles of 256 hashes, as files that never change once full.
// https://c2sp.org/tlog-tiles
#ifndef CAIRN_LEDGER_TILES_H_
#define CAIRN_LEDGER_TILES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/merkle.h"

namespace cairn::ledger {

inline constexpr uint64_t kTileWidth = 256;
inline constexpr int kTileLevels = 8;  // 256^8 leaves

// Which tile, and how much of it: `width` hashes, or entries. At most kTileWidth.
struct TileId {
  int level = 0;
  uint64_t index = 0;
  uint64_t width = 0;

  // "tile/1/x001/x234/067.p/8"; without ".p/8" when full.
  std::string Path() const;
  // The same of the bundle of entries below a tile of level 0: "tile/entries/000.p/3".
  std::string EntriesPath() const;
};

struct Tile {
  TileId id;
  std::vector<Hash> hashes;  // of subtrees of 256^level leaves

  std::string Bytes() const;
};

// The right edge of such a tree, and what changed since it was last asked. One thread.
class TileTree {
 public:
  // A tree of `size` leaves, from its partial tiles. `read` gets each one's bytes. DataLoss: a tile
  // is not as long as its width says.
  static absl::StatusOr<TileTree> Restore(
      uint64_t size, const std::function<absl::StatusOr<std::string>(const TileId&)>& read);

  void Add(const Hash& leaf);
  // Tiles that were filled since the last call, and the partial ones that changed.
  std::vector<Tile> TakeChanged();

  uint64_t size() const { return size_; }
  Hash Root() const;
  // Of the newest leaves, those in the partial tile of level 0.
  const std::vector<Hash>& edge() const { return edge_[0]; }

 private:
  void AddAt(int level, const Hash& hash);

  uint64_t size_ = 0;
  std::array<std::vector<Hash>, kTileLevels> edge_;  // partial tiles, by level
  std::array<bool, kTileLevels> changed_{};
  std::vector<Tile> full_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_TILES_H_
