// What the console's page asks for, as JSON. docs/console.md has the calls.
#ifndef CAIRN_COLLECTOR_CONSOLE_API_H_
#define CAIRN_COLLECTOR_CONSOLE_API_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/console/filter.h"
#include "collector/console/host_summary.h"
#include "collector/console/store_view.h"

namespace cairn::collector {

struct ApiAnswer {
  std::string json;
  uint64_t records = 0;  // shown: for the access log
};

// InvalidArgument: a parameter is wrong; NotFound: there is no such thing for this viewer (whether
// there is one at all is not told). Every call looks at nothing beyond the viewer's rights. Any
// thread.
class Api {
 public:
  // `alarms`: the collector's alarms_log. `store` outlives this.
  Api(StoreView* store, std::string alarms) : store_(store), alarms_(std::move(alarms)) {}

  absl::StatusOr<ApiAnswer> Me(const Viewer& viewer);
  absl::StatusOr<ApiAnswer> Hosts(const Viewer& viewer);
  // A page of the timeline, newest first; `before` is the last page's `next`.
  absl::StatusOr<ApiAnswer> Events(const Parameters& parameters, const Viewer& viewer);
  // Without `id`: begins a tail, which is then asked for what is new by its id.
  absl::StatusOr<ApiAnswer> Tail(const Parameters& parameters, const Viewer& viewer);
  // One record, whole, with the proof that its block is in the log.
  absl::StatusOr<ApiAnswer> OneRecord(const Parameters& parameters, const Viewer& viewer);
  absl::StatusOr<ApiAnswer> PolicyHistory(const Parameters& parameters, const Viewer& viewer);
  absl::StatusOr<ApiAnswer> Alarms(const Viewer& viewer);

 private:
  struct FollowedLog {
    std::shared_ptr<LogView> log;
    uint64_t next = 0;  // number of the next record
  };
  struct Follower {
    std::string viewer;
    Filter filter;
    absl::Time used;
    std::map<std::string, FollowedLog> logs;
  };
  absl::StatusOr<ApiAnswer> BeginTail(const Parameters& parameters, const Viewer& viewer);

  StoreView* const store_;
  const std::string alarms_;
  HostSummaries summaries_;
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Follower>> followers_ ABSL_GUARDED_BY(mutex_);
};

// One line of the timeline: {"log","sequence","block","time","type","severity","who","process",
// "object","result","rules"}.
std::string EventRow(const LogView& log, const ledger::LoggedRecord& logged);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_API_H_
