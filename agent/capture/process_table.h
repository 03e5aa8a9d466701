// Every live process, and those that ended a moment ago: identity, credentials, ancestry.
#ifndef CAIRN_AGENT_CAPTURE_PROCESS_TABLE_H_
#define CAIRN_AGENT_CAPTURE_PROCESS_TABLE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/capture/event_view.h"
#include "agent/capture/users.h"
#include "ledger/subject.h"

namespace cairn::capture {

struct ProcessLimits {
  size_t live = 262144;                // beyond it the oldest entries are forgotten
  uint64_t linger_ns = 5'000'000'000;  // how long an ended process stays known
  size_t lingering = 8192;
  int ancestors = 32;
  uint32_t reads_per_second = 500;  // of /proc, for processes we have not seen begin
};

// Subjects stay where they are until their process has ended and lingered. Their members are
// the ledger's to mark. One thread.
class ProcessTable {
 public:
  explicit ProcessTable(ProcessLimits limits = {}, std::string proc = "/proc");

  // Reads all of /proc. Returns how many processes there were.
  size_t Snapshot();

  // The process of `header`, made from it and from /proc where it is new to us. Applies a
  // change of uid or euid we had not heard of. Never null.
  ledger::Subject* Find(const event_header& header);
  // By id alone: the newest process of that id, live or lingering; null: unknown.
  ledger::Subject* FindPid(uint32_t pid);

  // Which image the live process runs (event_task.exec_id); 0: not known.
  uint64_t exec_id(uint32_t pid) const;

  // The events that change the table. `view` has the layout that goes with it.
  ledger::Subject* Exec(const EventView& view);
  void Fork(const EventView& view);
  void Exit(const event_header& header);
  void Credentials(const EventView& view);

  // The environment variables that Exec keeps.
  void SetEnvironment(std::vector<std::string> names) { env_ = std::move(names); }

  size_t live() const { return by_pid_.size(); }

 private:
  struct Entry {
    ledger::Subject subject;
    uint64_t exec_id = 0;
    bool exact = false;  // start_ns is the kernel's, not /proc's
    uint64_t ended_ns = 0;
    uint64_t serial = 0;
  };

  Entry* Insert(uint32_t pid, uint64_t start_ns);
  Entry* Lookup(uint32_t pid, uint64_t start_ns);
  Entry* Unknown(const event_header& header);
  bool MayRead(uint64_t now_ns);
  void Retire(Entry* entry, uint64_t now_ns);
  void Expire(uint64_t now_ns);
  void ShrinkLive();
  void SetTask(const event_task& task, Process* process);
  void SetCgroup(absl::string_view path, Process* process);
  void SetUser(Process* process, uint64_t now_ns);
  void SetAncestors(Process* process);

  const ProcessLimits limits_;
  const std::string proc_;
  Users users_;
  std::vector<std::string> env_;
  absl::flat_hash_map<uint32_t, Entry*> by_pid_;
  std::vector<std::unique_ptr<Entry>> all_;
  std::vector<Entry*> free_;
  std::deque<Entry*> ended_;
  std::deque<std::pair<uint32_t, uint64_t>> arrivals_;  // pid and serial, oldest first
  uint64_t next_serial_ = 1;
  std::string scratch_;
  uint64_t budget_second_ = 0;
  uint32_t budget_used_ = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_PROCESS_TABLE_H_
