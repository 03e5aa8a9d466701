// Ships one log directory to the first collector that takes it, for ever.
#ifndef CAIRN_AGENT_SHIPPER_SHIPPER_H_
#define CAIRN_AGENT_SHIPPER_SHIPPER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/shipper/backoff.h"
#include "agent/shipper/bandwidth_limit.h"
#include "agent/shipper/exposure.h"
#include "agent/shipper/receipts.h"
#include "agent/shipper/source.h"
#include "agent/shipper/uplink.h"
#include "base/socket.h"
#include "base/tls.h"

namespace cairn::shipper {

struct CollectorAddress {
  HostPort where;
  std::string key;          // pinned verifier key; empty: any
  std::string spki_sha256;  // 32 bytes; empty: any
};

struct ShipperOptions {
  std::string log_dir;  // of one incarnation
  std::vector<CollectorAddress> collectors;
  TlsFiles tls;  // read anew for each connection: a renewed certificate needs no restart
  // 0: no limit. Urgent records are not held back, nor is what stands before them.
  uint64_t bytes_per_second = 0;
  bool compress = true;
  std::string exposure_log;  // JSON lines, appended; empty: none
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration frame_within = absl::Seconds(60);  // from a frame's first byte to its last
  // From a checkpoint's sending to its receipt, and a second more for each KiB before it.
  absl::Duration receipt_within = absl::Seconds(60);
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(60);
};

// One thread runs it; Stop and Reconnect from any.
class Shipper {
 public:
  // InvalidArgument: nothing to connect to. Unavailable: out of descriptors.
  static absl::StatusOr<std::unique_ptr<Shipper>> Create(ShipperOptions options);

  // Until Stop. With `until_shipped`, returns also once everything the log holds is receipted.
  absl::Status Run(bool until_shipped = false);
  void Stop();
  // How long the oldest record that was sent waits for its receipt. Any thread.
  absl::Duration lag() const;
  void Reconnect();  // certificates or addresses changed

 private:
  struct Session;  // sockets and timers of one connection

  explicit Shipper(ShipperOptions options);
  absl::Status WaitForLog();
  absl::Status RunSession(const CollectorAddress& collector, bool until_shipped, bool* progressed);
  absl::Status Connect(const CollectorAddress& collector, Session* session);
  absl::Status Exchange(Session* session, bool until_shipped);
  absl::Status Wait(Session* session);
  absl::Status Receive(Session* session);
  absl::Status Send(Session* session);
  absl::Status Fill(Session* session);
  absl::Status CheckTimers(Session* session);
  void Measure(Session* session);
  void DrainWakeups();
  void Wait();  // as the backoff says, or until woken
  bool stopping() const { return stop_.load(); }

  const ShipperOptions options_;
  std::unique_ptr<LogSource> source_;
  std::unique_ptr<BandwidthLimit> limit_;  // null: none
  ReceiptBook receipts_;
  Exposure exposure_;
  Fd wake_;     // eventfd
  Fd inotify_;  // the log directory
  Fd exposure_file_;
  bool watching_ = false;
  bool changed_ = true;  // the log may have grown
  Backoff backoff_;
  std::atomic<uint64_t> waiting_since_ns_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> reconnect_{false};
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_SHIPPER_H_
