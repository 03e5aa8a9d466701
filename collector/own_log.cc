#include "collector/own_log.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"

namespace cairn::collector {
namespace {

using ledger::kTileWidth;
using ledger::TileId;
using ledger::TileTree;

constexpr size_t kMaxWaiting = 65536;
constexpr size_t kMaxLeaf = 65535;
constexpr size_t kMaxBundle = kTileWidth * (2 + kMaxLeaf);

// A bundle is entries, each behind its length (u16).
void AppendEntry(absl::string_view leaf, std::string* bundle) {
  bundle->push_back(static_cast<char>(leaf.size() >> 8));
  bundle->push_back(static_cast<char>(leaf.size()));
  absl::StrAppend(bundle, leaf);
}

// Whether the bundle's entries are the leaves with these hashes.
bool Holds(absl::string_view bundle, const std::vector<ledger::Hash>& leaves) {
  for (const ledger::Hash& leaf : leaves) {
    if (bundle.size() < 2) return false;
    const size_t size =
        static_cast<size_t>(static_cast<uint8_t>(bundle[0])) << 8 | static_cast<uint8_t>(bundle[1]);
    if (bundle.size() < 2 + size || ledger::LeafHash(bundle.substr(2, size)) != leaf) return false;
    bundle.remove_prefix(2 + size);
  }
  return bundle.empty();
}

}  // namespace

absl::StatusOr<std::string> LeafOf(absl::string_view text) {
  ASSIGN_OR_RETURN(ledger::Note note, ledger::Note::Parse(text));
  ASSIGN_OR_RETURN(const ledger::Checkpoint checkpoint, ledger::Checkpoint::Parse(note.text));
  std::erase_if(note.signatures, [&](const ledger::NoteSignature& signature) {
    return signature.name != checkpoint.origin;
  });
  if (note.signatures.empty()) return absl::InvalidArgumentError("no signature by the log's key");
  return note.ToString();
}

absl::StatusOr<std::unique_ptr<OwnLog>> OwnLog::Open(Io* io, std::string dir,
                                                     const Cosigner* cosigner) {
  RETURN_IF_ERROR(MakeDirectories(io, dir, 0755));
  auto log = absl::WrapUnique(new OwnLog(io, std::move(dir), cosigner));
  ASSIGN_OR_RETURN(log->lock_, OpenFile(io, log->dir_ + "/lock", O_RDWR | O_CREAT, 0600));
  if (::flock(log->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::AlreadyExistsError(absl::StrCat(log->dir_, ": another collector writes it"));
  }
  const absl::MutexLock lock(&log->publish_);
  RETURN_IF_ERROR(log->Recover());
  RETURN_IF_ERROR(WriteFileDurably(io, log->dir_, ledger::kKeyFile,
                                   cosigner->log_key().ToString() + "\n", 0444));
  return log;
}

OwnLog::~OwnLog() {
  if (thread_.joinable()) {
    {
      const absl::MutexLock lock(&mutex_);
      stop_ = true;
    }
    thread_.join();
  }
  const absl::Status published = Publish();
  if (!published.ok()) LogError("own log: ", published.message());
}

void OwnLog::Start(absl::Duration period) {
  thread_ = std::thread([this, period] {
    for (;;) {
      {
        const absl::MutexLock lock(&mutex_);
        if (mutex_.AwaitWithTimeout(absl::Condition(&stop_), period)) return;
        if (waiting_.empty()) continue;
      }
      const absl::Status published = Publish();
      if (!published.ok()) LogError("own log: ", published.message(), "; tried again");
    }
  });
}

absl::Status OwnLog::Add(std::string leaf) {
  if (leaf.size() > kMaxLeaf) return absl::InvalidArgumentError("a leaf of over 65535 bytes");
  const absl::MutexLock lock(&mutex_);
  if (waiting_.size() >= kMaxWaiting) {
    return absl::ResourceExhaustedError(
        absl::StrCat(dir_, ": ", waiting_.size(), " checkpoints wait to be published"));
  }
  waiting_.push_back(std::move(leaf));
  return absl::OkStatus();
}

absl::Status OwnLog::Publish() {
  const absl::MutexLock publishing(&publish_);
  std::vector<std::string> leaves;
  {
    const absl::MutexLock lock(&mutex_);
    leaves = waiting_;
  }
  if (leaves.empty()) return absl::OkStatus();
  const uint64_t before = tree_.size();
  TileTree tree = tree_;
  std::string bundle = bundle_;
  RETURN_IF_ERROR(WriteLeaves(leaves, &tree, &bundle));
  for (const ledger::Tile& tile : tree.TakeChanged()) {
    RETURN_IF_ERROR(Write(tile.id.Path(), tile.Bytes()));
  }
  RETURN_IF_ERROR(Sign(tree));
  tree_ = std::move(tree);
  bundle_ = std::move(bundle);
  DropPartials(before, tree_.size());
  const absl::MutexLock lock(&mutex_);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(leaves.size()));
  return absl::OkStatus();
}

absl::Status OwnLog::WriteLeaves(const std::vector<std::string>& leaves, TileTree* tree,
                                 std::string* bundle) const {
  for (const std::string& leaf : leaves) {
    AppendEntry(leaf, bundle);
    tree->Add(ledger::LeafHash(leaf));
    if (tree->size() % kTileWidth != 0) continue;
    RETURN_IF_ERROR(
        Write(TileId{0, tree->size() / kTileWidth - 1, kTileWidth}.EntriesPath(), *bundle));
    bundle->clear();
  }
  const TileId last{0, tree->size() / kTileWidth, tree->size() % kTileWidth};
  return last.width == 0 ? absl::OkStatus() : Write(last.EntriesPath(), *bundle);
}

absl::Status OwnLog::Write(const std::string& path, absl::string_view bytes) const {
  const std::string whole = absl::StrCat(dir_, "/", path);
  const size_t slash = whole.rfind('/');
  RETURN_IF_ERROR(MakeDirectories(io_, whole.substr(0, slash), 0755));
  return WriteFileDurably(io_, whole.substr(0, slash), whole.substr(slash + 1), bytes, 0444);
}

absl::Status OwnLog::Sign(const TileTree& tree) const {
  const ledger::Checkpoint checkpoint{cosigner_->log_key().name, tree.size(),
                                      std::string(ledger::View(tree.Root()))};
  return WriteFileDurably(io_, dir_, ledger::kCheckpointFile, cosigner_->SignLog(checkpoint), 0444);
}

// The partial tiles of those that are full now: c2sp.org/tlog-tiles lets them go.
void OwnLog::DropPartials(uint64_t before, uint64_t now) const {
  for (int level = 0; level < ledger::kTileLevels; ++level) {
    const uint64_t end = now >> (8 * level) >> 8;
    for (uint64_t index = before >> (8 * level) >> 8; index < end; ++index) {
      const TileId id{level, index, kTileWidth};
      std::error_code ignored;
      std::filesystem::remove_all(absl::StrCat(dir_, "/", id.Path(), ".p"), ignored);
      if (level > 0) continue;
      std::filesystem::remove_all(absl::StrCat(dir_, "/", id.EntriesPath(), ".p"), ignored);
    }
  }
}

uint64_t OwnLog::size() const {
  const absl::MutexLock lock(&publish_);
  return tree_.size();
}

absl::StatusOr<std::string> OwnLog::ReadTile(const std::string& path) const {
  auto bytes = ReadFile(absl::StrCat(dir_, "/", path), kMaxBundle, io_);
  if (!bytes.ok()) return absl::DataLossError(bytes.status().message());
  return bytes;
}

// What was written behind the signed size is written again, with whatever leaves come then.
absl::Status OwnLog::Recover() {
  const std::string path = absl::StrCat(dir_, "/", ledger::kCheckpointFile);
  const absl::StatusOr<std::string> text = ReadFile(path, ledger::kMaxNoteBytes, io_);
  if (absl::IsNotFound(text.status())) {
    // A log without leaves is signed before it has a key's file.
    if (std::filesystem::exists(absl::StrCat(dir_, "/", ledger::kKeyFile))) {
      return absl::DataLossError(absl::StrCat(path, ": missing, but this log was begun"));
    }
    return Sign(tree_);
  }
  RETURN_IF_ERROR(text.status());
  const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(*text);
  const auto checkpoint = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  if (!checkpoint.ok() || checkpoint->origin != cosigner_->log_key().name ||
      CheckNote(*note, cosigner_->log_key()) != ledger::NoteCheck::kValid) {
    return absl::DataLossError(
        absl::StrCat(path, ": not signed by ", cosigner_->log_key().ToString()));
  }
  ASSIGN_OR_RETURN(tree_, TileTree::Restore(checkpoint->size, [this](const TileId& id) {
                     return ReadTile(id.Path());
                   }));
  if (ledger::View(tree_.Root()) != checkpoint->root) {
    return absl::DataLossError(absl::StrCat(dir_, ": the tiles do not hash to the checkpoint"));
  }
  const TileId last{0, tree_.size() / kTileWidth, tree_.size() % kTileWidth};
  if (last.width == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(bundle_, ReadTile(last.EntriesPath()));
  if (!Holds(bundle_, tree_.edge())) {
    return absl::DataLossError(
        absl::StrCat(dir_, "/", last.EntriesPath(), ": not the entries of its tile"));
  }
  return absl::OkStatus();
}

}  // namespace cairn::collector
