#include "ledger/block_records.h"

#include "base/status.h"
#include "ledger/block.h"

namespace cairn::ledger {
namespace {

// Details of more than these are forgotten at the next segment.
constexpr size_t kMaxProcesses = 1 << 17;

}  // namespace

void BlockRecords::BeginSegment(const SegmentHeader& header) {
  origin_ = header.origin();
  epoch_ = header.epoch();
  if (processes_.size() > kMaxProcesses) processes_.clear();
}

const Process* BlockRecords::Remember(const Process& process) {
  auto [known, added] = processes_.try_emplace(ProcessKey::Of(process), nullptr);
  if (added) known->second = std::make_unique<Process>();
  if (added || HasDetails(process)) *known->second = process;
  return known->second.get();
}

absl::Status BlockRecords::Take(uint64_t index, absl::string_view stored) {
  block_.Clear();
  now_.clear();
  if (absl::Status parsed = ParseBlock(stored, &block_); !parsed.ok()) {
    block_.Clear();
    return parsed;
  }
  index_ = index;
  for (const Process& process : block_.processes()) now_.push_back(Remember(process));
  return absl::OkStatus();
}

void BlockRecords::Fill(int i, LoggedRecord* out) {
  const Record& record = block_.records(i);
  if (record.has_epoch_open()) boot_id_ = record.epoch_open().boot_id();
  out->sequence = block_.first_sequence() + static_cast<uint64_t>(i);
  out->block = index_;
  out->epoch = epoch_;
  out->time_ns = block_.first_time_ns() + static_cast<uint64_t>(record.time_delta_ns());
  out->wall_ns = out->time_ns + static_cast<uint64_t>(block_.wall_offset_ns()) +
                 static_cast<uint64_t>(record.wall_adjust_ns());
  out->policy_generation = block_.policy_generation();
  out->record = &record;
  out->process = record.process_ref() == 0 ? nullptr : now_[record.process_ref() - 1];
  out->rules.clear();
  for (const uint32_t ref : record.rule_refs()) {
    out->rules.emplace_back(block_.rules(static_cast<int>(ref) - 1));
  }
  out->boot_id = boot_id_;
  out->origin = origin_;
}

absl::Status BlockRecords::Walk(uint64_t index, absl::string_view stored,
                                absl::FunctionRef<absl::Status(const LoggedRecord&)> take) {
  RETURN_IF_ERROR(Take(index, stored));
  for (int i = 0; i < size(); ++i) {
    Fill(i, &logged_);
    RETURN_IF_ERROR(take(logged_));
  }
  return absl::OkStatus();
}

}  // namespace cairn::ledger
