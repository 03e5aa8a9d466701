// Copies of chosen records, for hosts that already ship their journal or syslog. The log stays
// what counts: a copy is neither chained nor receipted.
#ifndef CAIRN_AGENT_SHIPPER_COPIES_H_
#define CAIRN_AGENT_SHIPPER_COPIES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/shipper/syslog.h"
#include "base/fd.h"
#include "ledger/reader.h"

namespace cairn::shipper {

struct CopyOptions {
  std::string log_dir;             // one directory an incarnation in it, or one such directory
  std::vector<std::string> rules;  // ids; one that ends in '*' is a prefix
  bool journal = false;
  std::optional<SyslogAddress> syslog;
  std::string state;  // file: "<origin> <sequence> <wall time, ns>\n" of the last record looked at
};

// Whether some rule of the record is one that is copied.
bool WantsCopy(const std::vector<std::string>& rules, const ledger::LoggedRecord& logged);

// Reads the log as it grows, in a thread of its own, and copies what is wanted. What cannot be
// delivered is tried again: the log is the queue. After a crash some records may come twice;
// sequence numbers say so.
class Copies {
 public:
  explicit Copies(CopyOptions options);
  ~Copies();  // within a second

 private:
  void Run();
  absl::Status Follow(const std::string& dir);
  absl::Status Deliver(const ledger::LoggedRecord& logged);
  absl::Status Save(absl::string_view origin, uint64_t sequence, uint64_t wall_ns);
  void Load();
  bool Pause(int ms);  // false: stopping

  const CopyOptions options_;
  std::unique_ptr<SyslogSender> syslog_;
  std::string origin_;  // as in the file `state`
  uint64_t sequence_ = 0;
  uint64_t wall_ns_ = 0;
  bool any_ = false;  // the three are set
  Fd stop_;           // eventfd
  std::thread thread_;
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_COPIES_H_
