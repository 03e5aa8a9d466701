#include "ledger/block_records.h"

#include "base/status.h"
#include "ledger/block.h"

namespace cairn::ledger {

void BlockRecords::BeginSegment(const SegmentHeader& header) {
  origin_ = header.origin();
  epoch_ = header.epoch();
  processes_.clear();
}

const Process* BlockRecords::Remember(const Process& process) {
  auto [known, added] = processes_.try_emplace(ProcessKey::Of(process), nullptr);
  if (added) known->second = std::make_unique<Process>();
  if (added || HasDetails(process)) *known->second = process;
  return known->second.get();
}

absl::Status BlockRecords::Walk(uint64_t index, absl::string_view stored,
                                absl::FunctionRef<absl::Status(const LoggedRecord&)> take) {
  block_.Clear();
  RETURN_IF_ERROR(ParseBlock(stored, &block_));
  now_.clear();
  for (const Process& process : block_.processes()) now_.push_back(Remember(process));
  for (int i = 0; i < block_.records_size(); ++i) {
    const Record& record = block_.records(i);
    if (record.has_epoch_open()) boot_id_ = record.epoch_open().boot_id();
    logged_.sequence = block_.first_sequence() + static_cast<uint64_t>(i);
    logged_.block = index;
    logged_.epoch = epoch_;
    logged_.time_ns = block_.first_time_ns() + static_cast<uint64_t>(record.time_delta_ns());
    logged_.wall_ns = logged_.time_ns + static_cast<uint64_t>(block_.wall_offset_ns()) +
                      static_cast<uint64_t>(record.wall_adjust_ns());
    logged_.policy_generation = block_.policy_generation();
    logged_.record = &record;
    logged_.process = record.process_ref() == 0 ? nullptr : now_[record.process_ref() - 1];
    logged_.rules.clear();
    for (const uint32_t ref : record.rule_refs()) {
      logged_.rules.emplace_back(block_.rules(static_cast<int>(ref) - 1));
    }
    logged_.boot_id = boot_id_;
    logged_.origin = origin_;
    RETURN_IF_ERROR(take(logged_));
  }
  return absl::OkStatus();
}

}  // namespace cairn::ledger
