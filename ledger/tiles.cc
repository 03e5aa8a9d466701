#include "ledger/tiles.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"

namespace cairn::ledger {
namespace {

uint64_t CountAt(uint64_t size, int level) { return size >> (8 * level); }

// Three digits an element, all but the last behind an x.
std::string IndexPath(uint64_t index) {
  std::string path = absl::StrFormat("%03d", index % 1000);
  for (index /= 1000; index > 0; index /= 1000) {
    path = absl::StrCat(absl::StrFormat("x%03d/", index % 1000), path);
  }
  return path;
}

std::string Partial(uint64_t width) {
  return width == kTileWidth ? "" : absl::StrCat(".p/", width);
}

// The root over hashes[begin, end), a power of two of them.
Hash PerfectRoot(const std::vector<Hash>& hashes, size_t begin, size_t end) {
  if (end - begin == 1) return hashes[begin];
  const size_t middle = (begin + end) / 2;
  return NodeHash(PerfectRoot(hashes, begin, middle), PerfectRoot(hashes, middle, end));
}

}  // namespace

std::string TileId::Path() const {
  return absl::StrCat("tile/", level, "/", IndexPath(index), Partial(width));
}

std::string TileId::EntriesPath() const {
  return absl::StrCat("tile/entries/", IndexPath(index), Partial(width));
}

std::string Tile::Bytes() const {
  std::string bytes;
  for (const Hash& hash : hashes) absl::StrAppend(&bytes, View(hash));
  return bytes;
}

absl::StatusOr<TileTree> TileTree::Restore(
    uint64_t size, const std::function<absl::StatusOr<std::string>(const TileId&)>& read) {
  TileTree tree;
  tree.size_ = size;
  for (int level = 0; level < kTileLevels; ++level) {
    const uint64_t count = CountAt(size, level);
    const TileId id{level, count / kTileWidth, count % kTileWidth};
    if (id.width == 0) continue;
    ASSIGN_OR_RETURN(const std::string bytes, read(id));
    if (bytes.size() != id.width * sizeof(Hash)) {
      return absl::DataLossError(
          absl::StrCat(id.Path(), ": ", bytes.size(), " bytes, not ", id.width * sizeof(Hash)));
    }
    std::vector<Hash>& edge = tree.edge_[static_cast<size_t>(level)];
    edge.resize(id.width);
    std::memcpy(edge.data(), bytes.data(), bytes.size());
  }
  return tree;
}

void TileTree::Add(const Hash& leaf) {
  ++size_;
  AddAt(0, leaf);
}

void TileTree::AddAt(int level, const Hash& hash) {
  std::vector<Hash>& edge = edge_[static_cast<size_t>(level)];
  edge.push_back(hash);
  changed_[static_cast<size_t>(level)] = true;
  if (edge.size() < kTileWidth) return;
  const Hash root = PerfectRoot(edge, 0, edge.size());
  full_.push_back({{level, CountAt(size_, level) / kTileWidth - 1, kTileWidth}, std::move(edge)});
  edge.clear();
  changed_[static_cast<size_t>(level)] = false;
  if (level + 1 < kTileLevels) AddAt(level + 1, root);
}

std::vector<Tile> TileTree::TakeChanged() {
  std::vector<Tile> tiles = std::exchange(full_, {});
  for (int level = 0; level < kTileLevels; ++level) {
    if (!std::exchange(changed_[static_cast<size_t>(level)], false)) continue;
    const std::vector<Hash>& edge = edge_[static_cast<size_t>(level)];
    tiles.push_back({{level, CountAt(size_, level) / kTileWidth, edge.size()}, edge});
  }
  return tiles;
}

Hash TileTree::Root() const {
  std::vector<std::string> frontier;
  for (int level = kTileLevels; level-- > 0;) {
    const std::vector<Hash>& edge = edge_[static_cast<size_t>(level)];
    size_t begin = 0;
    for (size_t part = kTileWidth / 2; part > 0; part /= 2) {
      if ((edge.size() & part) == 0) continue;
      frontier.emplace_back(View(PerfectRoot(edge, begin, begin + part)));
      begin += part;
    }
  }
  return Frontier::Restore(size_, frontier).value().Root();
}

}  // namespace cairn::ledger
