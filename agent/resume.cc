#include "agent/resume.h"

#include "base/clock.h"
#include "base/status.h"
#include "ledger/reader.h"

namespace cairn::agent {
namespace {

constexpr uint64_t kClockSlackNs = 60'000'000'000;  // the wall clock may have been set meanwhile

}  // namespace

absl::Status Resume::Read(const std::string& log_dir, const std::string& boot_id,
                          uint64_t from_ns) {
  ASSIGN_OR_RETURN(const auto reader, ledger::LogReader::Open(log_dir));
  const uint64_t ago_ns = BootNs() - from_ns + kClockSlackNs;
  reader->SeekTime(WallNs() > ago_ns ? WallNs() - ago_ns : 0);
  ledger::LoggedRecord logged;
  for (;;) {
    ASSIGN_OR_RETURN(const ledger::ReadEnd end, reader->Next(&logged));
    if (end != ledger::ReadEnd::kRecord) return absl::OkStatus();
    if (logged.time_ns < from_ns || (!logged.boot_id.empty() && logged.boot_id != boot_id)) {
      continue;
    }
    const Record& record = *logged.record;
    if (record.has_loss() || record.has_limit()) told_.push_back(record);
    if (record.source() != SOURCE_EBPF) continue;
    recorded_.insert({logged.time_ns, record.cpu(), static_cast<uint32_t>(record.type())});
  }
}

bool Resume::Recorded(const capture::Captured& captured) {
  const Record& record = *captured.record;
  if (recorded_.empty() || record.source() != SOURCE_EBPF) return false;
  return recorded_.erase({captured.time_ns, record.cpu(), static_cast<uint32_t>(record.type())}) !=
         0;
}

}  // namespace cairn::agent
