// The collector's own log: each host checkpoint it receipted is a leaf of one tree, signed by the
// collector, published as C2SP tiles (https://c2sp.org/tlog-tiles). Whoever has two of its
// checkpoints can tell whether it ever took one back. proto/FORMAT.md §11.
//
//   DIR/checkpoint         the newest signed checkpoint
//   DIR/log.vkey           the key it is signed with
//   DIR/tile/L/N[.p/W]     hashes
//   DIR/tile/entries/N[.p/W]
//   DIR/lock               held while a collector writes
//
// Names that begin with a dot are being written; everything else may be served as it is.
#ifndef CAIRN_COLLECTOR_OWN_LOG_H_
#define CAIRN_COLLECTOR_OWN_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/fd.h"
#include "base/io.h"
#include "collector/cosigner.h"
#include "ledger/tiles.h"

namespace cairn::collector {

// What becomes a leaf of the receipted `note`: its text and the signature by the log's own key.
// InvalidArgument: it has none.
absl::StatusOr<std::string> LeafOf(absl::string_view note);

// Any thread.
class OwnLog {
 public:
  // Goes on where the signed checkpoint says. DataLoss: the tiles do not hash to it, or it is not
  // signed by `cosigner`: this log must not be signed again, move its directory away.
  // AlreadyExists: another process writes it.
  static absl::StatusOr<std::unique_ptr<OwnLog>> Open(Io* io, std::string dir,
                                                      const Cosigner* cosigner);
  // Publishes what is left.
  ~OwnLog();

  // Publishes every `period` on a thread of its own, when there is something.
  void Start(absl::Duration period);

  // Takes a leaf. ResourceExhausted: 65,536 wait already (the disk is full).
  absl::Status Add(std::string leaf) ABSL_LOCKS_EXCLUDED(mutex_);

  // Adds what waits to the tree:
  //   each tile: write fdatasync rename fsync(dir)     sign     checkpoint: the same
  // No size is signed before its tiles are durable, and none twice. After an error nothing was
  // signed, and the same leaves are tried again.
  absl::Status Publish() ABSL_LOCKS_EXCLUDED(mutex_, publish_);

  uint64_t size() const ABSL_LOCKS_EXCLUDED(publish_);  // leaves under the newest checkpoint

 private:
  OwnLog(Io* io, std::string dir, const Cosigner* cosigner)
      : io_(io), dir_(std::move(dir)), cosigner_(cosigner) {}

  absl::Status Recover() ABSL_EXCLUSIVE_LOCKS_REQUIRED(publish_);
  absl::StatusOr<std::string> ReadTile(const std::string& path) const;
  absl::Status Write(const std::string& path, absl::string_view bytes) const;
  absl::Status WriteLeaves(const std::vector<std::string>& leaves, ledger::TileTree* tree,
                           std::string* bundle) const;
  absl::Status Sign(const ledger::TileTree& tree) const;
  void DropPartials(uint64_t before, uint64_t now) const;

  Io* const io_;
  const std::string dir_;
  const Cosigner* const cosigner_;
  Fd lock_;

  absl::Mutex mutex_;
  std::vector<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  mutable absl::Mutex publish_ ABSL_ACQUIRED_BEFORE(mutex_);  // one publishes at a time
  ledger::TileTree tree_ ABSL_GUARDED_BY(publish_);
  std::string bundle_ ABSL_GUARDED_BY(publish_);  // the partial one
  std::thread thread_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_OWN_LOG_H_
