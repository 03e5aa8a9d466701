#include "agent/capture/process_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "agent/capture/cgroup.h"
#include "agent/capture/proc_reader.h"
#include "agent/capture/strings.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kTickNs = 10'000'000;  // of /proc/PID/stat

// Is `exact` the time that /proc rounded down to `rounded`?
bool SameStart(uint64_t exact, uint64_t rounded) { return exact / kTickNs == rounded / kTickNs; }

void SetAncestor(const Process& process, Ancestor* ancestor) {
  ancestor->set_pid(process.pid());
  ancestor->set_start_ns(process.start_ns());
  ancestor->set_exe(process.exe());
  ancestor->set_comm(process.comm());
  ancestor->set_uid(process.uid());
  ancestor->set_auid(process.auid());
}

void SetCreds(const event_creds& creds, Process* process) {
  process->set_uid(creds.uid);
  process->set_gid(creds.gid);
  process->set_suid(creds.suid);
  process->set_sgid(creds.sgid);
  process->set_euid(creds.euid);
  process->set_egid(creds.egid);
  process->set_fsuid(creds.fsuid);
  process->set_fsgid(creds.fsgid);
  process->set_capabilities(creds.effective);
}

bool SameCreds(const event_creds& creds, const Process& process) {
  return process.uid() == creds.uid && process.gid() == creds.gid && process.suid() == creds.suid &&
         process.sgid() == creds.sgid && process.euid() == creds.euid &&
         process.egid() == creds.egid && process.fsuid() == creds.fsuid &&
         process.fsgid() == creds.fsgid && process.capabilities() == creds.effective;
}

// Those of `names`, and the whole length where not all of it was looked at.
void SetEnv(const EventString& env, const std::vector<std::string>& names, Process* process) {
  process->clear_env();
  process->set_env_length(env.whole > env.bytes.size() ? env.whole : 0);
  if (names.empty()) return;
  for (const absl::string_view variable : absl::StrSplit(env.bytes, '\0')) {
    const absl::string_view name = variable.substr(0, variable.find('='));
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    process->add_env(variable.data(), variable.size());
  }
}

void NewGeneration(ledger::Subject* subject) {
  subject->process.set_generation(subject->process.generation() + 1);
  subject->Changed();
}

}  // namespace

ProcessTable::ProcessTable(ProcessLimits limits, std::string proc)
    : limits_(limits), proc_(std::move(proc)) {}

size_t ProcessTable::Snapshot() {
  size_t count = 0;
  std::vector<Entry*> entries;
  for (const uint32_t pid : ListProcesses(proc_)) {
    Process process;
    if (!ReadProcess(proc_, pid, &process, &scratch_).ok()) continue;
    Entry* entry = Insert(pid, process.start_ns());
    SetCgroup(scratch_, &process);
    SetUser(&process, 0);
    entry->subject.process = std::move(process);
    entries.push_back(entry);
    ++count;
  }
  for (Entry* entry : entries) SetAncestors(&entry->subject.process);
  return count;
}

ProcessTable::Entry* ProcessTable::Insert(uint32_t pid, uint64_t start_ns) {
  Entry* entry;
  if (free_.empty()) {
    all_.push_back(std::make_unique<Entry>());
    entry = all_.back().get();
  } else {
    entry = free_.back();
    free_.pop_back();
  }
  entry->subject.process.Clear();
  entry->subject.Changed();
  entry->exec_id = 0;
  entry->exact = false;
  entry->ended_ns = 0;
  entry->serial = next_serial_++;
  entry->subject.process.set_pid(pid);
  entry->subject.process.set_start_ns(start_ns);
  Entry*& slot = by_pid_[pid];
  if (slot != nullptr) Retire(slot, start_ns);
  by_pid_[pid] = entry;
  arrivals_.emplace_back(pid, entry->serial);
  if (by_pid_.size() > limits_.live || arrivals_.size() > 4 * limits_.live) ShrinkLive();
  return entry;
}

ProcessTable::Entry* ProcessTable::Lookup(uint32_t pid, uint64_t start_ns) {
  const auto found = by_pid_.find(pid);
  if (found == by_pid_.end()) return nullptr;
  Entry* entry = found->second;
  Process& process = entry->subject.process;
  if (process.start_ns() == start_ns) return entry;
  if (entry->exact || !SameStart(start_ns, process.start_ns())) return nullptr;
  process.set_start_ns(start_ns);
  entry->exact = true;
  entry->subject.Changed();
  return entry;
}

ledger::Subject* ProcessTable::Find(const event_header& header) {
  Entry* entry = Lookup(header.pid, header.start_ns);
  if (entry == nullptr) entry = Unknown(header);
  Process& process = entry->subject.process;
  if (process.uid() != header.uid || process.euid() != header.euid) {
    process.set_uid(header.uid);
    process.set_euid(header.euid);
    SetUser(&process, header.time_ns);
    NewGeneration(&entry->subject);
  }
  return &entry->subject;
}

ledger::Subject* ProcessTable::FindPid(uint32_t pid) {
  const auto found = by_pid_.find(pid);
  if (found != by_pid_.end()) return &found->second->subject;
  for (auto entry = ended_.rbegin(); entry != ended_.rend(); ++entry) {
    if ((*entry)->subject.process.pid() == pid) return &(*entry)->subject;
  }
  return nullptr;
}

uint64_t ProcessTable::exec_id(uint32_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? 0 : found->second->exec_id;
}

// A process whose beginning we missed: what the event says, and what /proc still knows.
ProcessTable::Entry* ProcessTable::Unknown(const event_header& header) {
  Entry* entry = Insert(header.pid, header.start_ns);
  entry->exact = true;
  Process& process = entry->subject.process;
  Process read;
  if (MayRead(header.time_ns) && ReadProcess(proc_, header.pid, &read, &scratch_).ok() &&
      SameStart(header.start_ns, read.start_ns())) {
    SetCgroup(scratch_, &read);
    process = std::move(read);
    process.set_start_ns(header.start_ns);
    process.set_uid(header.uid);
    process.set_euid(header.euid);
    SetAncestors(&process);
  } else {
    process.set_uid(header.uid);
    process.set_euid(header.euid);
    process.set_auid(~0u);
    process.set_session(~0u);
  }
  SetUser(&process, header.time_ns);
  return entry;
}

bool ProcessTable::MayRead(uint64_t now_ns) {
  const uint64_t second = now_ns / 1'000'000'000;
  if (second != budget_second_) {
    budget_second_ = second;
    budget_used_ = 0;
  }
  return budget_used_++ < limits_.reads_per_second;
}

ledger::Subject* ProcessTable::Exec(const EventView& view) {
  Entry* entry = Lookup(view.header.pid, view.header.start_ns);
  const auto task = view.Body<event_task>();
  if (entry == nullptr) {
    entry = Insert(view.header.pid, view.header.start_ns);
    entry->exact = true;
    entry->subject.process.set_ppid(task.ppid);
    SetAncestors(&entry->subject.process);
  }
  entry->exec_id = task.exec_id;
  Process& process = entry->subject.process;
  SetTask(task, &process);
  process.set_snapshot(false);
  const EventString& exe = view.strings[STRING_EXE];
  JoinComponents(exe, process.mutable_exe());
  process.set_memfd(absl::StartsWith(process.exe(), "memfd:"));
  process.set_deleted(task.links == 0);
  JoinComponents(view.strings[STRING_CWD], process.mutable_cwd());
  const EventString& argv = view.strings[STRING_ARGV];
  SetArguments(argv.bytes, process.mutable_argv());
  process.set_argv_length(argv.whole > argv.bytes.size() ? argv.whole : 0);
  SetEnv(view.strings[STRING_ENV], env_, &process);
  process.clear_exe_hash();
  SetBytes(view.strings[STRING_SCRIPT].bytes, process.mutable_script());
  SetBytes(view.strings[STRING_TTY].bytes, process.mutable_tty());
  JoinComponents(view.strings[STRING_CGROUP], &scratch_);
  SetCgroup(scratch_, &process);
  SetUser(&process, view.header.time_ns);
  NewGeneration(&entry->subject);
  return &entry->subject;
}

void ProcessTable::Fork(const EventView& view) {
  const auto task = view.Body<event_task>();
  const ledger::Subject* parent = Find(view.header);
  if (Lookup(task.pid, task.start_ns) != nullptr) return;  // /proc had it already
  Entry* entry = Insert(task.pid, task.start_ns);
  entry->exact = true;
  entry->exec_id = task.exec_id;
  Process& process = entry->subject.process;
  // The child is its parent's image until it execs.
  process = parent->process;
  process.set_pid(task.pid);
  process.set_start_ns(task.start_ns);
  process.set_generation(0);
  process.set_snapshot(false);
  SetTask(task, &process);
  SetUser(&process, view.header.time_ns);
  process.clear_ancestors();
  SetAncestor(parent->process, process.add_ancestors());
  for (const Ancestor& older : parent->process.ancestors()) {
    if (process.ancestors_size() >= limits_.ancestors) break;
    *process.add_ancestors() = older;
  }
}

void ProcessTable::Exit(const event_header& header) {
  Entry* entry = Lookup(header.pid, header.start_ns);
  if (entry == nullptr) return;
  by_pid_.erase(header.pid);
  Retire(entry, header.time_ns);
  Expire(header.time_ns);
}

void ProcessTable::Credentials(const EventView& view) {
  const auto body = view.Body<event_cred>();
  Entry* entry = Lookup(view.header.pid, view.header.start_ns);
  if (entry == nullptr || SameCreds(body.creds, entry->subject.process)) return;
  SetCreds(body.creds, &entry->subject.process);
  SetUser(&entry->subject.process, view.header.time_ns);
  NewGeneration(&entry->subject);
}

void ProcessTable::Retire(Entry* entry, uint64_t now_ns) {
  entry->ended_ns = now_ns;
  ended_.push_back(entry);
  Expire(0);
}

void ProcessTable::Expire(uint64_t now_ns) {
  while (!ended_.empty() && (ended_.size() > limits_.lingering ||
                             ended_.front()->ended_ns + limits_.linger_ns < now_ns)) {
    free_.push_back(ended_.front());
    ended_.pop_front();
  }
}

// Forgets the oldest arrivals, and those whose process has gone.
void ProcessTable::ShrinkLive() {
  size_t turns = arrivals_.size();
  while (turns-- > 0 && !arrivals_.empty()) {
    const auto [pid, serial] = arrivals_.front();
    const auto found = by_pid_.find(pid);
    const bool current = found != by_pid_.end() && found->second->serial == serial;
    arrivals_.pop_front();
    if (!current) continue;
    if (by_pid_.size() > limits_.live) {
      Retire(found->second, found->second->subject.process.start_ns());
      by_pid_.erase(found);
    } else {
      arrivals_.emplace_back(pid, serial);
    }
  }
}

void ProcessTable::SetTask(const event_task& task, Process* process) {
  process->set_ppid(task.ppid);
  process->set_auid(task.auid);
  process->set_session(task.session);
  SetCreds(task.creds, process);
  const size_t length = strnlen(task.comm, sizeof(task.comm));
  SetBytes({task.comm, length}, process->mutable_comm());
  Namespaces* ns = process->mutable_namespaces();
  ns->set_mount(task.ns_mount);
  ns->set_pid(task.ns_pid);
  ns->set_net(task.ns_net);
  ns->set_user(task.ns_user);
  ns->set_uts(task.ns_uts);
  ns->set_ipc(task.ns_ipc);
  ns->set_cgroup(task.ns_cgroup);
}

void ProcessTable::SetCgroup(absl::string_view path, Process* process) {
  const CgroupNames names = ParseCgroup(path);
  SetBytes(names.unit, process->mutable_unit());
  SetBytes(names.container_id, process->mutable_container_id());
  SetBytes(names.runtime, process->mutable_container_runtime());
}

void ProcessTable::SetUser(Process* process, uint64_t now_ns) {
  const uint32_t uid = process->auid() == ~0u ? process->uid() : process->auid();
  SetBytes(users_.Name(uid, now_ns), process->mutable_user());
}

// From the parent, which knows its own.
void ProcessTable::SetAncestors(Process* process) {
  process->clear_ancestors();
  uint32_t pid = process->ppid();
  for (int depth = 0; depth < limits_.ancestors && pid != 0; ++depth) {
    const auto found = by_pid_.find(pid);
    if (found == by_pid_.end()) return;
    const Process& parent = found->second->subject.process;
    if (parent.pid() == process->pid()) return;
    SetAncestor(parent, process->add_ancestors());
    pid = parent.ppid();
  }
}

}  // namespace cairn::capture
