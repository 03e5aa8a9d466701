#include "agent/shipper/receipts.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::shipper {
namespace {

constexpr size_t kHistory = 8;
constexpr char kSuffix[] = ".receipt";

}  // namespace

absl::StatusOr<CheckedReceipt> CheckReceipt(absl::string_view note, absl::string_view line,
                                            const ledger::VerifierKey& collector) {
  if (absl::StrContains(line, '\n')) {
    return absl::InvalidArgumentError("receipt: the cosignature is not one line");
  }
  CheckedReceipt receipt;
  receipt.note = absl::StrCat(note, line, "\n");
  const absl::StatusOr<ledger::Note> parsed = ledger::Note::Parse(receipt.note);
  if (!parsed.ok()) return Annotate(parsed.status(), "receipt");
  const absl::StatusOr<ledger::Checkpoint> checkpoint = ledger::Checkpoint::Parse(parsed->text);
  if (!checkpoint.ok()) return Annotate(checkpoint.status(), "receipt");
  if (ledger::CheckNote(*parsed, collector, &receipt.time_s) != ledger::NoteCheck::kValid) {
    return absl::DataLossError(
        absl::StrCat("receipt: no good cosignature by ", collector.ToString()));
  }
  receipt.size = checkpoint->size;
  return receipt;
}

absl::StatusOr<CheckedReceipt> CheckReceiptNote(absl::string_view note,
                                                const ledger::VerifierKey& log_key,
                                                const ledger::VerifierKey& collector) {
  const absl::StatusOr<ledger::Note> parsed = ledger::Note::Parse(note);
  if (!parsed.ok()) return Annotate(parsed.status(), "receipt");
  ASSIGN_OR_RETURN(const ledger::Checkpoint checkpoint, ledger::Checkpoint::Parse(parsed->text));
  CheckedReceipt receipt{.size = checkpoint.size, .note = std::string(note)};
  if (checkpoint.origin != log_key.name ||
      ledger::CheckNote(*parsed, log_key) != ledger::NoteCheck::kValid) {
    return absl::DataLossError("receipt: its checkpoint is not signed by this log's key");
  }
  if (ledger::CheckNote(*parsed, collector, &receipt.time_s) != ledger::NoteCheck::kValid) {
    return absl::DataLossError(
        absl::StrCat("receipt: no good cosignature by ", collector.ToString()));
  }
  return receipt;
}

absl::Status ReceiptBook::Open() {
  RETURN_IF_ERROR(MakeDirectories(io_, dir_, 0750));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(dir_));
  history_.clear();
  for (const std::string& name : names) {
    if (absl::EndsWith(name, kSuffix) && absl::StrContains(name, '-')) history_.push_back(name);
  }
  return absl::OkStatus();
}

// open write fdatasync rename fsync(directory) for the newest; its name in the history is a
// hard link, and costs no further sync: history may lose its end in a crash.
absl::Status ReceiptBook::Store(const ledger::VerifierKey& collector,
                                const CheckedReceipt& receipt) {
  if (receipt.size < newest_size_) return absl::OkStatus();
  const std::string id = absl::StrFormat("%08x", collector.Id());
  const std::string newest = absl::StrCat(id, kSuffix);
  RETURN_IF_ERROR(WriteFileDurably(io_, dir_, newest, receipt.note, 0444));
  newest_size_ = receipt.size;
  const std::string name = absl::StrFormat("%s-%020d%s", id, receipt.size, kSuffix);
  if (::link(absl::StrCat(dir_, "/", newest).c_str(), absl::StrCat(dir_, "/", name).c_str()) == 0) {
    history_.push_back(name);
  }
  while (history_.size() > kHistory) {
    ::unlink(absl::StrCat(dir_, "/", history_.front()).c_str());
    history_.pop_front();
  }
  return absl::OkStatus();
}

absl::Status ReceiptBook::StoreArchived(const ledger::VerifierKey& collector,
                                        const CheckedReceipt& receipt) {
  if (receipt.size <= archived_size_) return absl::OkStatus();
  RETURN_IF_ERROR(WriteFileDurably(io_, dir_, absl::StrFormat("%08x.archived", collector.Id()),
                                   receipt.note, 0440));
  archived_size_ = receipt.size;
  return absl::OkStatus();
}

}  // namespace cairn::shipper
