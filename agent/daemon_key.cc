// Changing the log's key while it is written.
#include <utility>

#include "agent/daemon.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::agent {

// After a failure nothing more is recorded: the agent must stop, and its next start tries again.
absl::Status Daemon::RotateKey() {
  RETURN_IF_ERROR(ledger_->Close("key"));
  RETURN_IF_ERROR(OpenLog());
  ledger_->SetPolicy(reloader_->generation(), reloader_->current().policy->digest());
  recorder_->SetLedger(ledger_.get());
  ConnectLog();
  receipts_ready_ = true;
  const absl::Status open = capture_->LetOthersWrite(log_dir_ + "/receipts");
  if (!open.ok()) LogWarning("receipts of the new log are refused: ", open.message());
  return absl::OkStatus();
}

// Everything that holds the log is given the one that is open.
void Daemon::ConnectLog() {
  reloader_->Follow(ledger_.get(), receipts_.get());
  keeper_->Connect({log_dir_, ledger_.get(), recorder_.get(), receipts_.get()});
}

}  // namespace cairn::agent
