// The derived index of one segment file: built from its bytes, kept on disk, searched in memory.
// It only ever says where nothing can be; docs/search.md has what that is worth.
#ifndef CAIRN_LEDGER_SEGMENT_INDEX_H_
#define CAIRN_LEDGER_SEGMENT_INDEX_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret.h"
#include "ledger/index_terms.h"
#include "proto/index.pb.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// A process within one segment.
struct ProcessKey {
  uint32_t pid = 0;
  uint64_t start_ns = 0;
  uint32_t generation = 0;

  static ProcessKey Of(const Process& process) {
    return {process.pid(), process.start_ns(), process.generation()};
  }
  friend bool operator==(const ProcessKey&, const ProcessKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ProcessKey& key) {
    return H::combine(std::move(h), key.pid, key.start_ns, key.generation);
  }
};

// Whether this copy of a process has more than its identity (FORMAT.md §3).
bool HasDetails(const Process& process);

// Builds an index from a segment's bytes as they come. The same bytes give the same index, however
// they are cut. One thread.
class IndexBuilder {
 public:
  IndexBuilder();
  ~IndexBuilder();

  // The next bytes of the file. DataLoss: they are no frames; what came before stays indexed.
  absl::Status Add(absl::string_view bytes);
  // Read this byte of the file next.
  uint64_t next_offset() const;
  // What there is: the last chunk is open (no Bloom filter, no digest) until Finish.
  const SegmentIndex& index() const;
  // As FindDetails, while the index grows.
  std::optional<uint64_t> Details(const ProcessKey& key) const;
  // The segment gets no more bytes.
  SegmentIndex Finish() &&;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// The whole file, up to `limit` bytes of it.
absl::StatusOr<SegmentIndex> BuildIndex(const std::string& segment_path, uint64_t limit);

// As it is kept on disk. Parse: DataLoss when `key` did not make these bytes or they are no index.
std::string FormatIndex(const SegmentIndex& index, const Secret32& key);
absl::StatusOr<SegmentIndex> ParseIndex(absl::string_view bytes, const Secret32& key);
// Whether what stands in `index` can be used without looking further: offsets rise, sizes fit.
bool IsWellFormed(const SegmentIndex& index);

// Whether a chunk (or, with its sums, a segment) may hold what is sought.
bool MayHold(const IndexChunk& chunk, const Terms& terms);

// The offset of the BLOCK frame that has this process' details.
std::optional<uint64_t> FindDetails(const SegmentIndex& index, const ProcessKey& key);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_SEGMENT_INDEX_H_
