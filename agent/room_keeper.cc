#include "agent/room_keeper.h"

#include "absl/strings/str_cat.h"
#include "agent/own_records.h"
#include "base/io.h"
#include "base/log.h"
#include "ledger/retention.h"

namespace cairn::agent {

void RoomKeeper::Keep(uint64_t wall_ns, ledger::Subject* own) {
  absl::Status looked = room_.Look(parts_.log_dir, wall_ns);
  if (looked.ok() && room_.wants_room()) {
    Retain(own);
    looked = room_.Look(parts_.log_dir, wall_ns);
  }
  if (!looked.ok()) return LogError("disk: ", looked.message());
  const DiskStep before = room_.step();
  if (!room_.TakeStep()) return;
  const DiskStep step = room_.step();
  const std::string detail =
      absl::StrCat(DiskStepName(step), " (was ", DiskStepName(before), "): ", room_.free_bytes(),
                   " bytes free, ", min_free_bytes_, " wanted");
  LogWarning("disk: ", detail);
  const Record notice = NoticeRecord(AGENT_DEGRADED, "disk", detail);
  // On the way down the step is said while that is still possible, on the way up as soon as it is.
  if (step > before) parts_.recorder->TakeOwn(notice, own, true);
  parts_.recorder->SetDiskStep(step);
  parts_.recorder->RetryAfterFault();
  parts_.recorder->DeclareGivenUp();
  if (step < before) parts_.recorder->TakeOwn(notice, own, true);
}

// The record first, durable; then what it names is deleted.
void RoomKeeper::Retain(ledger::Subject* own) {
  const Receipts::Deletable& receipt = parts_.receipts->deletable();
  if (receipt.size == 0 || parts_.recorder->faulty()) return;
  auto plan = ledger::PlanRetention(parts_.log_dir, room_.wish(), receipt.size);
  if (!plan.ok()) return LogError("retention: ", plan.status().message());
  if (plan->paths.empty()) return;
  plan->record.set_receipt(receipt.note);
  Record record;
  record.set_type(AGENT_RETENTION);
  record.set_source(SOURCE_AGENT);
  *record.mutable_retention() = plan->record;
  parts_.recorder->TakeOwn(record, own, true);
  if (parts_.recorder->faulty()) return;
  absl::Status done = parts_.ledger->Sync();
  if (done.ok()) done = ledger::DeleteSegments(Io::Real(), parts_.log_dir, *plan);
  if (!done.ok()) LogError("retention: ", done.message());
}

}  // namespace cairn::agent
