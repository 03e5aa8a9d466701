// The newest records of many logs that fit a query, page by page. docs/search.md.
#ifndef CAIRN_LEDGER_SEARCH_H_
#define CAIRN_LEDGER_SEARCH_H_

#include <bitset>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "ledger/log_index.h"
#include "ledger/reader.h"

namespace cairn::ledger {

// Where a record stands on a timeline of many logs: by wall time, then log, then number.
struct TimelineKey {
  uint64_t wall_ns = 0;
  std::string origin;
  uint64_t sequence = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): the check takes a defaulted <=> for a 0
  friend auto operator<=>(const TimelineKey&, const TimelineKey&) = default;
};

struct SearchQuery {
  Terms terms;
  // The whole truth of what is wanted; `terms` only rule out.
  std::function<bool(const LoggedRecord&)> wants;
  // What `wants` looks at stands in details of the process too (arguments, ancestors, names).
  bool wants_details = false;
  // How a record that is found is kept.
  std::function<std::string(const LoggedRecord&)> show;
  std::optional<TimelineKey> before;  // only older ones: where the last page ended
  size_t limit = 100;
  absl::Time deadline = absl::InfiniteFuture();
};

struct Found {
  TimelineKey key;
  std::string shown;
};

struct SearchAnswer {
  std::vector<Found> records;  // newest first
  // All there are down to `reached`; every one there is when `exhausted`.
  TimelineKey reached;
  bool exhausted = false;
  bool timed_out = false;
  uint64_t chunks_read = 0;
  uint64_t chunks_ruled_out = 0;
  uint64_t records_read = 0;
  std::vector<std::string> problems;  // what could not be read or is not what was indexed
};

// Any thread.
SearchAnswer Search(absl::Span<LogIndex* const> logs, const SearchQuery& query);

// Calls `take` for every record of the log that may fit `terms`, in order, until it returns false;
// what the index rules out is not read. `beside`: event types also wanted of the stretch right
// after one that may fit. Each record with its process' details. DataLoss names file, byte and
// cause; every record before it was handed out. Refresh the index first.
absl::Status Scan(LogIndex* log, const Terms& terms, const std::bitset<256>& beside,
                  absl::FunctionRef<bool(const LoggedRecord&)> take);

// Calls `take` for each record of a chunk with the stored bytes of its block, until it returns
// false. DataLoss: the bytes are not those the index was made of, or no frames.
absl::Status ReadChunk(LogIndex* log, const ChunkRef& ref, bool details,
                       absl::FunctionRef<bool(const LoggedRecord&, absl::string_view block)> take);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_SEARCH_H_
