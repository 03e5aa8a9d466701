#include "agent/policy_writer.h"

#include <utility>

#include "absl/strings/match.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxAncestors = 16;
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

}  // namespace

bool PolicyWriter::Touches(const Record& record) const {
  return Changes(record) &&
         (Under(record.file().path(), prefix_) || Under(record.target().path(), prefix_));
}

void PolicyWriter::See(const capture::Captured& captured) {
  if (captured.subject == nullptr || !Touches(*captured.record)) return;
  if (captured.record->ret() < 0) return;  // it failed
  const Process& process = captured.subject->process;
  writer_.clear();
  Ancestor self;
  self.set_pid(process.pid());
  self.set_start_ns(process.start_ns());
  self.set_exe(process.exe());
  self.set_comm(process.comm());
  self.set_uid(process.uid());
  self.set_auid(process.auid());
  writer_.push_back(std::move(self));
  for (const Ancestor& ancestor : process.ancestors()) {
    if (writer_.size() == kMaxAncestors) break;
    writer_.push_back(ancestor);
  }
}

std::vector<Ancestor> PolicyWriter::Take() { return std::exchange(writer_, {}); }

}  // namespace cairn::agent
