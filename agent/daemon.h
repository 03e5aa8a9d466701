// cairnd: one loop that drains the kernel, judges, appends, and answers.
#ifndef CAIRN_AGENT_DAEMON_H_
#define CAIRN_AGENT_DAEMON_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/capture.h"
#include "agent/control_server.h"
#include "agent/last_config.h"
#include "agent/own_traffic.h"
#include "agent/policy_witness.h"
#include "agent/receipts.h"
#include "agent/recorder.h"
#include "agent/reloader.h"
#include "agent/resume.h"
#include "agent/room_keeper.h"
#include "base/fd.h"
#include "ledger/incarnation.h"
#include "ledger/ledger.h"
#include "ledger/tpm.h"
#include "proto/config.pb.h"
#include "proto/control.pb.h"

namespace cairn::agent {

// The thread that calls Start is the capture thread and must call Run; Start blocks the
// signals that Run takes (HUP, USR1, TERM, INT), so call it before other threads exist.
class Daemon {
 public:
  // Opens log and kernel and records agent.start. Fails when no log can be written at all, or
  // another cairnd runs.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const Configuration& from,
                                                       const std::string& config_path);

  // Until SIGTERM or SIGINT: then drains, records agent.stop and seals.
  absl::Status Run();

 private:
  explicit Daemon(const Configuration& from) : config_(from.config), config_error_(from.error) {}

  absl::Status OpenLog();
  absl::Status OpenKernel();
  void TakeOver();
  absl::Status OpenReloader(policy::LoadOptions load, policy::LoadResult first);
  absl::Status OpenDoors();
  void RecordStart(const std::string& config_path);

  void Wait();
  void HandleSignals();
  void DrainAll();
  void SettleWritten();
  size_t Drain();
  void CheckReceipts();
  void DoWhatIsDue();
  void CheckSuspend(uint64_t now_ns);
  void Beat(uint64_t now_ns);
  absl::Status Stop();
  void TakeOwn(const Record& record, bool urgent);
  void Rotate(absl::string_view reason);
  absl::Status RotateKey();
  void ConnectLog();
  void KeepRoom();
  absl::Status OpenTpm();
  absl::StatusOr<ledger::OpenedLog> OpenNewestLog(ledger::SigningKey* key);
  control::Reply Answer(const Peer& peer, const control::Request& request);
  void FillStatus(control::Status* status) const;
  void FillHost(control::Status* status) const;
  void FillPolicy(control::Status* status) const;
  void FillLog(control::Status* status) const;
  void FillCounts(control::Status* status) const;

  const config::AgentConfig config_;
  const std::string config_error_;  // of the files, when the last good configuration holds
  std::string origin_;
  std::string log_dir_;
  uint64_t started_wall_ns_ = 0;
  bool rings_left_ = false;  // by the run before, when the log was opened

  // Declared in the order they depend on each other; destroyed in reverse.
  std::unique_ptr<ledger::Tpm> tpm_;  // null: none
  Fd committed_;                      // eventfd: the ledger has a commit to collect
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Receipts> receipts_;
  std::unique_ptr<RoomKeeper> keeper_;
  std::unique_ptr<OwnTraffic> own_traffic_;
  std::unique_ptr<PolicyWitness> witness_;
  std::unique_ptr<capture::Capture> capture_;
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<ControlServer> control_;
  Resume resume_;
  Fd signals_;
  Fd epoll_;

  bool stopping_ = false;
  std::string stop_reason_;
  bool capture_armed_ = false;  // the capture descriptor may wake us
  bool called_ = true;          // a descriptor beside capture's was readable
  bool receipts_ready_ = true;
  bool control_ready_ = false;
  uint64_t next_beat_ns_ = 0;
  uint64_t next_notice_ns_ = 0;
  uint64_t next_ledger_ns_ = 0;
  uint64_t next_reload_ns_ = 0;
  uint64_t watchdog_ns_ = 0;
  uint64_t suspended_ns_ = 0;  // boot-time clock minus monotonic clock
  std::string receipt_error_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_DAEMON_H_
