#include "agent/policy_witness.h"

#include <utility>

#include "absl/strings/match.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxAncestors = 16;
constexpr size_t kMaxExe = 512;
constexpr uint32_t kWriteAccess = 2 | 4 | 8 | 16;  // write, append, truncate, create

bool Changes(const Record& record) {
  switch (record.type()) {
    case FILE_OPEN:
      return (record.file().access() & kWriteAccess) != 0;
    case FILE_CREATE:
    case FILE_WRITE:
    case FILE_RENAME:
    case FILE_LINK:
    case FILE_DELETE:
    case FILE_TRUNCATE:
      return true;
    default:
      return false;
  }
}

bool Under(const std::string& path, const std::string& prefix) {
  return absl::StartsWith(absl::string_view(path), absl::string_view(prefix));
}

// A record of a change has room for sixteen of these.
void Shorten(Ancestor* ancestor) {
  if (ancestor->exe().size() > kMaxExe) ancestor->mutable_exe()->resize(kMaxExe);
}

Ancestor AncestorOf(const Process& process) {
  Ancestor self;
  self.set_pid(process.pid());
  self.set_start_ns(process.start_ns());
  self.set_exe(process.exe());
  self.set_comm(process.comm());
  self.set_uid(process.uid());
  self.set_auid(process.auid());
  Shorten(&self);
  return self;
}

// systemctl reload cairnd, service cairnd reload, busctl call … ReloadUnit …
bool AsksServiceManager(const Process& process) {
  const absl::string_view exe = process.exe();
  const absl::string_view name = exe.substr(exe.find_last_of('/') + 1);
  if (name != "systemctl" && name != "busctl" && name != "service") return false;
  for (const std::string& word : process.argv()) {
    for (const absl::string_view verb :
         {"reload", "restart", "kill", "Reload", "Restart", "Kill"}) {
      if (absl::StrContains(word, verb)) return true;
    }
  }
  return false;
}

}  // namespace

bool PolicyWitness::Touches(const Record& record) const {
  return Changes(record) &&
         (Under(record.file().path(), prefix_) || Under(record.target().path(), prefix_));
}

void PolicyWitness::See(const capture::Captured& captured) {
  if (captured.subject == nullptr || captured.record->ret() < 0) return;  // it failed
  const Process& process = captured.subject->process;
  if (captured.record->type() == PROCESS_EXEC && AsksServiceManager(process)) {
    client_ = AncestorOf(process);
    client_ns_ = captured.time_ns;
  }
  if (!Touches(*captured.record)) return;
  writer_ = {AncestorOf(process)};
  for (const Ancestor& ancestor : process.ancestors()) {
    if (writer_.size() == kMaxAncestors) break;
    writer_.push_back(ancestor);
    Shorten(&writer_.back());
  }
}

std::vector<Ancestor> PolicyWitness::TakeWriter() { return std::exchange(writer_, {}); }

std::optional<Ancestor> PolicyWitness::LikelyClient(uint64_t now_ns) const {
  const bool recent = client_.has_value() && now_ns < client_ns_ + kClientNs;
  return recent ? client_ : std::nullopt;
}

}  // namespace cairn::agent
