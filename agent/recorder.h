// Between capture and the log: judges each record and appends the wanted ones.
#ifndef CAIRN_AGENT_RECORDER_H_
#define CAIRN_AGENT_RECORDER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "agent/capture/audit_join.h"
#include "agent/capture/capture.h"
#include "agent/disk_room.h"
#include "ledger/ledger.h"
#include "policy/policy.h"
#include "proto/record.pb.h"

namespace cairn::agent {

// Since start.
struct Counts {
  uint64_t seen = 0;         // events that reached the policy
  uint64_t recorded = 0;     // appended, the agent's own records too
  uint64_t counted = 0;      // wanted, and counted alone (an exception or a limit says so)
  uint64_t dropped = 0;      // no rule wants them
  uint64_t refused = 0;      // wanted, but storage did not take them
  uint64_t given_up = 0;     // wanted, and given up because the disk is full
  uint64_t limited = 0;      // sum of agent.limit_stop for a process's rate
  uint64_t lost = 0;         // sum of agent.loss
  uint64_t quarantined = 0;  // did not fit their schema, or a block
  std::array<uint64_t, 256> by_type{};                              // recorded, by EventType
  std::map<std::pair<std::string, std::string>, uint64_t> loss_by;  // source, reason
};

// Capture thread only. A storage fault stops nothing: what could not be appended is counted by
// type and becomes agent.loss records (source "disk") as soon as the ledger takes them again,
// after an agent.storage_fault that says since when and why. A record that does not fit its schema
// or a block is written as agent.quarantine: the head of its bytes, and the reason.
class Recorder {
 public:
  explicit Recorder(ledger::Ledger* ledger);

  // Judges by `policy` from now on. The one before it is kept until the next call, since the
  // open block may name its rules.
  void SetPolicy(std::shared_ptr<const policy::Policy> policy);
  const policy::Policy& policy() const { return *policy_; }
  // Appends to this ledger from now on.
  void SetLedger(ledger::Ledger* ledger) { ledger_ = ledger; }
  // What a full disk takes: records that no rule of the floor wants are counted by type, or all
  // are.
  void SetDiskStep(DiskStep step) { step_ = step; }
  // Appends agent.loss records (source "disk", reason "disk_full") of what was given up so far.
  void DeclareGivenUp();

  // One event from the kernel.
  void Take(const capture::Captured& captured);

  // A record the agent makes of itself: never dropped by a policy. While storage is at fault
  // the newest 64 wait their turn. `subject` may be null.
  void TakeOwn(const Record& record, ledger::Subject* subject, bool urgent);

  // Appends what the policy has to say of limits, expired exceptions and conditions that fail.
  // Call about every second; with `last` before the policy is let go.
  void TakeNotices(uint64_t now_ns, bool last = false);

  const Counts& counts() const { return counts_; }
  bool faulty() const { return !fault_.ok(); }
  const absl::Status& fault() const { return fault_; }

  // Appends what waits for storage to come back. Call now and then.
  void RetryAfterFault();

 private:
  void Prepare(const capture::Captured& captured);
  void QuarantineMisfit(const capture::Captured& captured, const char* fault);
  void Quarantine(uint64_t time_ns, ledger::Subject* subject, const Record& record);
  void AppendJoined(const capture::Captured& captured);
  void Append(uint64_t time_ns, const Record& record, ledger::Subject* subject, bool urgent);
  absl::Status Try(uint64_t time_ns, const Record& record, ledger::Subject* subject, bool urgent);
  absl::Status TryCut(uint64_t time_ns, const Record& record, ledger::Subject* subject,
                      bool urgent);
  void Settle(const absl::Status& status, const Record& record);
  void StartFault(const absl::Status& status);
  void CountLoss(const Loss& loss);
  void CountLimit(const Record& record);

  bool GivesUp(EventType type);

  ledger::Ledger* ledger_;
  DiskStep step_ = DiskStep::kNormal;
  std::array<uint64_t, 256> given_up_{};  // not declared yet, by type
  uint64_t given_up_since_ns_ = 0;
  std::shared_ptr<const policy::Policy> policy_;
  std::shared_ptr<const policy::Policy> previous_;
  policy::Decision decision_;  // reused
  capture::AuditJoin join_;
  Counts counts_;
  uint64_t wall_offset_ns_;  // CLOCK_REALTIME - CLOCK_BOOTTIME, about a second ago

  absl::Status fault_;
  uint64_t fault_since_ns_ = 0;
  std::array<uint64_t, 256> refused_{};  // in this fault, by type
  std::deque<Record> waiting_;           // own records
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_RECORDER_H_
