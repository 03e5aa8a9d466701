// One host, one collector, the network between them, and what may go wrong.
#ifndef CAIRN_TOOLS_SIMULATORS_WORLD_H_
#define CAIRN_TOOLS_SIMULATORS_WORLD_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "agent/shipper/uplink.h"
#include "collector/session.h"
#include "ledger/hash.h"
#include "ledger/ledger.h"
#include "tools/simulators/faulty_disk.h"

namespace cairn::simulators {

// One thread. Everything that happens follows from the seed: the clocks are its own, keys come out
// of it, and nothing runs beside it.
class World {
 public:
  World(uint64_t seed, std::string dir);

  // Plays to the end. DataLoss, with what was violated.
  absl::Status Play();
  uint64_t steps() const { return steps_; }
  uint64_t faults() const { return faults_ + disk_.faults(); }
  // Of every byte that was exchanged, the faults, and how each step ended: equal for equal seeds.
  const ledger::Hash& trace() const { return trace_; }

 private:
  absl::Status Start();
  absl::Status OpenLog();
  absl::Status OpenCollector();
  void Write();
  void Exchange(bool faults);
  void Connect();
  void Disconnect();
  void CrashCollector();
  absl::Status CrashHost();
  absl::Status Step();
  absl::Status Settle();
  absl::Status CheckStore(bool whole);
  absl::Status Violation(const std::string& what) const;
  void Trace(absl::string_view what);
  uint64_t NowNs() const { return static_cast<uint64_t>(absl::ToUnixNanos(now_)); }
  size_t Cut(size_t size) { return size == 0 ? 0 : 1 + random_() % size; }

  const uint64_t seed_;
  const std::string dir_;
  std::mt19937_64 random_;
  FaultyDisk disk_;       // the collector's
  FaultyDisk host_disk_;  // never says no, and forgets at a power cut what was not synced
  uint64_t steps_ = 0;
  uint64_t faults_ = 0;
  uint64_t written_ = 0;
  uint64_t receipted_ = 0;  // largest receipt that reached the host
  ledger::Hash trace_{};
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  absl::Duration skew_;  // of the collector's clock
  ledger::Subject subject_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<shipper::LogSource> source_;
  std::unique_ptr<shipper::ReceiptBook> receipts_;
  shipper::Exposure exposure_;
  std::unique_ptr<collector::Core> core_;
  std::unique_ptr<shipper::Uplink> uplink_;
  std::unique_ptr<collector::Session> session_;
  std::string to_collector_;
  std::string to_host_;
};

}  // namespace cairn::simulators

#endif  // CAIRN_TOOLS_SIMULATORS_WORLD_H_
