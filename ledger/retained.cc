#include "ledger/retained.h"

#include "absl/strings/str_cat.h"
#include "ledger/log_state.h"
#include "ledger/retention.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxRecords = 10000;

}  // namespace

void Retained::SeeRecord(const Retention& record, uint64_t block) {
  const absl::MutexLock lock(&mutex_);
  if (records_.size() < kMaxRecords) records_.emplace_back(block, record);
}

void Retained::SeeSegment(const SegmentHeader& header) {
  const absl::MutexLock lock(&mutex_);
  roots_.emplace(header.first_block(), LogState::Claimed(header).frontier.Root());
}

bool Retained::Accounts(uint64_t first_block, uint64_t through, const VerifierKey& log_key,
                        const std::optional<VerifierKey>& collector, std::string* note) const {
  const absl::MutexLock lock(&mutex_);
  std::string why = "no agent.retention record accounts for those before";
  for (const auto& [block, record] : records_) {
    const auto root = roots_.find(record.end_block());
    if (block >= through || root == roots_.end()) continue;
    const absl::Status good = CheckRetention(record, first_block, root->second, log_key, collector);
    if (good.ok()) {
      *note = absl::StrCat("blocks before ", first_block,
                           " were deleted as agent.retention in block ", block, " says");
      return true;
    }
    why = std::string(good.message());
  }
  *note = absl::StrCat("the log begins with block ", first_block, ": ", why);
  return false;
}

}  // namespace cairn::ledger
