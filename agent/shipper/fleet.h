// Every incarnation of this host's log, each shipped by a thread of its own: there is one that
// grows, and now and then an older one to finish.
#ifndef CAIRN_AGENT_SHIPPER_FLEET_H_
#define CAIRN_AGENT_SHIPPER_FLEET_H_

#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/shipper/config.h"

namespace cairn::shipper {

// One thread.
class Fleet {
 public:
  explicit Fleet(ShipperSetup setup) : setup_(std::move(setup)) {}
  ~Fleet() { Stop(); }

  // Starts shipping what is new in the log directory. Call every few seconds.
  absl::Status Scan();
  void Reconnect();
  void Stop();
  // Of each log, by directory. Any thread.
  std::map<std::string, absl::Duration> Lags();

 private:
  struct Ship {
    std::unique_ptr<Shipper> shipper;
    std::thread thread;
  };
  absl::Status Start(const std::string& dir);

  const ShipperSetup setup_;
  absl::Mutex mutex_;                  // for Lags: ships_ changes in the one thread
  std::map<std::string, Ship> ships_;  // by directory
};

// The program: signals (HUP: connect anew, with certificates read anew; TERM, INT: stop),
// sd_notify, Scan. Blocks signals for every thread it starts.
absl::Status RunShipper(ShipperSetup setup);

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_FLEET_H_
