// The indexes of one log directory, kept up to date and on disk. docs/search.md.
#ifndef CAIRN_LEDGER_LOG_INDEX_H_
#define CAIRN_LEDGER_LOG_INDEX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/secret.h"
#include "ledger/segment_index.h"
#include "ledger/segments.h"

namespace cairn::ledger {

// A stretch of a segment file, with what is needed to read it alone.
struct ChunkRef {
  std::string path;
  std::string origin;
  std::string boot_id;
  uint64_t epoch = 0;
  IndexChunk chunk;  // without its filter
};

struct IndexCounts {
  uint64_t segments = 0;
  uint64_t pending = 0;    // not indexed yet
  uint64_t confirmed = 0;  // made from the segment by this process, not read from disk
  uint64_t rebuilt = 0;    // an index on disk was missing, foreign, damaged or wrong
};

// The key of the indexes in `dir`: its file "key", made (0600) when missing.
absl::StatusOr<Secret32> LoadIndexKey(const std::string& dir);

// Any thread.
class LogIndex {
 public:
  // Reads `log_dir`, writes `index_dir` (made when needed) and nothing else; indexes there count
  // only when `key` made them. `key` outlives this.
  LogIndex(std::string log_dir, std::string index_dir, const Secret32* key);

  // Takes in what the log has grown by. Cheap when nothing did. True: it grew.
  absl::StatusOr<bool> Refresh();

  // Segments, newest first, each with the newest time it may hold: UINT64_MAX where it is not
  // indexed yet.
  struct Segment {
    uint64_t epoch = 0;
    uint64_t max_wall_ns = 0;
  };
  std::vector<Segment> Segments() const;

  // The chunks of a segment that may hold what is sought; `ruled_out` counts the others. Loads or
  // builds the index where needed: up to a second for 64 MiB.
  absl::StatusOr<std::vector<ChunkRef>> Candidates(uint64_t epoch, const Terms& terms,
                                                   uint64_t* ruled_out);
  // The chunk that holds a record. NotFound.
  absl::StatusOr<ChunkRef> ChunkOf(uint64_t sequence);
  // The chunks of the newest segments that hold records from `sequence` on, in order; at most
  // `most`.
  absl::StatusOr<std::vector<ChunkRef>> ChunksFrom(uint64_t sequence, size_t most);
  // The number that the next record will have.
  uint64_t next_sequence() const;
  // The BLOCK frame that has a process' details.
  std::optional<uint64_t> DetailsOf(uint64_t epoch, const ProcessKey& key);

  // Makes one more segment's index anew from the segment, where there is none or the one at hand
  // was read from disk; a difference is a problem told by `wrong`. False: all are confirmed.
  absl::StatusOr<bool> ConfirmOne(std::string* wrong);
  // A chunk's bytes were not those the index is of: its segment is indexed anew.
  void Distrust(uint64_t epoch);
  // Indexes beyond the `keep` used last are read from disk again when needed.
  void Trim(size_t keep);

  IndexCounts counts() const;
  const std::string& log_dir() const { return log_dir_; }

 private:
  struct Entry {
    SegmentInfo info;
    bool finished = false;  // gets no more bytes
    bool confirmed = false;
    bool known = false;  // max_wall_ns is
    uint64_t max_wall_ns = 0;
    uint64_t used = 0;                          // when, for Trim
    std::shared_ptr<const SegmentIndex> index;  // of a finished segment
    std::unique_ptr<IndexBuilder> builder;      // of the newest one
  };

  absl::Status List() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> Grow(Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Load(Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Build(Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Keep(Entry* entry, SegmentIndex index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<const SegmentIndex*> IndexOf(uint64_t epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string IndexName(uint64_t epoch) const;

  const std::string log_dir_;
  const std::string index_dir_;
  const Secret32* const key_;
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t listed_mtime_ns_ ABSL_GUARDED_BY(mutex_) = -1;
  uint64_t clock_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t rebuilt_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LOG_INDEX_H_
