// What a store on disk may delete, and what never.
#ifndef CAIRN_COLLECTOR_RETENTION_H_
#define CAIRN_COLLECTOR_RETENTION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/io.h"
#include "collector/hosts.h"

namespace cairn::collector {

// Ages count from when the store last wrote the file: what a host says of its time decides
// nothing here.
struct RetentionOptions {
  absl::Duration keep_at_least = absl::ZeroDuration();     // nothing younger goes
  absl::Duration keep_at_most = absl::InfiniteDuration();  // older goes
  uint64_t max_bytes = 0;  // of the store: the oldest go until it fits; 0: no limit

  bool deletes() const { return keep_at_most != absl::InfiniteDuration() || max_bytes > 0; }
};

struct Retained {
  uint64_t segments = 0;      // deleted
  uint64_t bytes = 0;         // deleted
  uint64_t stored_bytes = 0;  // left
  bool over = false;          // still above max_bytes: nothing more may be deleted
};

// Deletes whole oldest segments of the logs in STORE/DEPLOYMENT. Of each log the two newest stay,
// and `checkpoint` with the last receipt; a host on legal hold (Hosts::held) keeps everything; so
// does a log with evidence. What goes is told in the log's file `deleted` before it goes:
//   "<time> <segment> <bytes> <sha256 of the file> age|size\n"
// Sessions may be at work. One thread.
absl::StatusOr<Retained> ApplyRetention(const RetentionOptions& options, const std::string& store,
                                        const std::string& deployment, const Hosts& hosts, Io* io,
                                        absl::Time now);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_RETENTION_H_
