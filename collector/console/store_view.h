// The logs in a collector's store as the console sees them: read only, indexed, up to date.
#ifndef CAIRN_COLLECTOR_CONSOLE_STORE_VIEW_H_
#define CAIRN_COLLECTOR_CONSOLE_STORE_VIEW_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/secret.h"
#include "collector/console/access.h"
#include "ledger/log_index.h"

namespace cairn::collector {

// One incarnation of one host's log.
struct LogView {
  std::string deployment;
  std::string host;
  std::string incarnation;
  std::unique_ptr<ledger::LogIndex> index;

  std::string id() const { return host + "/" + incarnation; }
};

// A thread of its own indexes what is new and makes every index that was read from disk anew.
// Any thread.
class StoreView {
 public:
  // `dir`: indexes, and the key that they are bound to, made when missing.
  static absl::StatusOr<std::unique_ptr<StoreView>> Open(std::string store, std::string dir);
  ~StoreView();

  // Takes in what the store has grown by; at most every 100 ms.
  void Refresh();
  // The logs a viewer may see, of one host or ("") of all.
  std::vector<std::shared_ptr<LogView>> Logs(const Rights& rights, absl::string_view host);
  // Null: none such, or not for this viewer.
  std::shared_ptr<LogView> Log(const Rights& rights, absl::string_view id);

  ledger::IndexCounts counts();
  // What indexes said that their segments did not: newest last.
  std::vector<std::string> problems();

 private:
  StoreView(std::string store, std::string dir);
  void List() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tend();

  const std::string store_;
  const std::string dir_;
  Secret32 key_;
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<LogView>> logs_ ABSL_GUARDED_BY(mutex_);  // by directory
  absl::Time refreshed_ ABSL_GUARDED_BY(mutex_);
  absl::Time listed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> problems_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> stop_{false};
  std::thread tender_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_STORE_VIEW_H_
