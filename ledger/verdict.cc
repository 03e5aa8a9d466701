// What the segments of a log, taken together and beside what is known from outside, are worth.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ledger/log_verifier.h"

namespace cairn::ledger {

Finding LogVerifier::AtEnd(absl::string_view code, std::string detail) const {
  Finding finding;
  finding.code = std::string(code);
  finding.block = last_->end.state.size;
  finding.end_block = finding.block + 1;
  finding.first_sequence = last_->end.state.next_sequence;
  finding.end_sequence = finding.first_sequence + 1;
  finding.file = last_->info.path;
  finding.offset = last_->end.bytes;
  finding.detail = std::move(detail);
  return finding;
}

// Bytes behind the newest durable point of an unsealed newest segment may be torn: a crash, or
// a writer at work. Anything before that point must be good.
void LogVerifier::JudgeTail() {
  const SegmentCheck& last = *last_;
  if (!last.header_seen) return;
  uint64_t durable = last.durable_offset;
  const absl::string_view name =
      absl::string_view(last.info.path).substr(last.info.path.find_last_of('/') + 1);
  if (checkpoint_file_.has_value() && checkpoint_file_->segment == name) {
    durable = std::max(durable, checkpoint_file_->offset);
  }
  if (!last.redacted.empty()) durable = 0;  // counted in the log, not in this copy
  const bool torn = last.torn || (last.finding.has_value() && last.finding->code == "frame");
  const bool harmless = torn && last.end.bytes >= durable && !last.end.sealed;
  if (last.finding.has_value() && !harmless) Found(*last.finding);
  if (harmless) {
    Say(absl::StrCat(last.info.path, ": torn after byte ", last.end.bytes,
                     ": a writer at work, or a crash not recovered yet"));
  } else if (!last.finding.has_value() && last.end.bytes < durable) {
    Found(
        AtEnd("cut", absl::StrCat(durable, " bytes were durable, ", last.end.bytes, " are there")));
  }
}

void LogVerifier::JudgeOutside() {
  if (!report_.findings.empty()) return;
  // One ahead is an opening that a crash cut short.
  if (options_.tpm_counter > last_->tpm_counter + 1 && last_->tpm_counter > 0) {
    Found(AtEnd("cut", absl::StrCat("the TPM counted ", options_.tpm_counter,
                                    " epochs, the newest one here is number ", last_->tpm_counter,
                                    ": the end is missing")));
    return;
  }
  const LogState& end = last_->end.state;
  for (const Outside::Unseen& unseen : outside_->Missing()) {
    if (unseen.size < report_.first_block) continue;
    Finding finding = AtEnd(unseen.code, "");
    if (unseen.size > end.size) {
      finding.end_block = unseen.size;
      finding.detail = absl::StrCat(unseen.where, " vouches for ", unseen.size, " blocks, ",
                                    end.size, " are there: the end is missing");
    } else {
      finding.block = std::max(report_.first_block, unseen.agreed_size);
      finding.end_block = unseen.size;
      finding.first_sequence = report_.first_sequence;
      finding.end_sequence = end.next_sequence;
      finding.detail =
          absl::StrCat(unseen.where, " vouches for another log of ", unseen.size, " blocks");
    }
    return Found(std::move(finding));
  }
}

// Whether a record that a checkpoint vouches for accounts for what the log lacks at its beginning.
bool LogVerifier::BeginningRetained() {
  if (report_.first_block == 0) return true;
  std::string note;
  const bool accounted = retained_.Accounts(report_.first_block, report_.through, *key_,
                                            options_.collector_key, &note);
  Say(std::move(note));
  return accounted;
}

// Whether tags were to be checked and none could be.
bool LogVerifier::NoTagChecked() {
  if (options_.recipient_key == nullptr || report_.tags_checked > 0) return false;
  Say("no epoch is sealed to this recipient: no tag was checked");
  return true;
}

void LogVerifier::Conclude() {
  std::stable_sort(report_.findings.begin(), report_.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.block < b.block; });
  report_.size = last_->end.state.size;
  report_.records = last_->end.state.next_sequence - report_.first_sequence;
  report_.bytes = total_bytes_;
  report_.receipts = outside_->receipts();
  report_.receipted = outside_->receipted();
  if (report_.size > report_.through && report_.findings.empty()) {
    Say(absl::StrCat(report_.size - report_.through,
                     " blocks behind the newest checkpoint: not vouched for"));
  }
  if (!report_.findings.empty()) {
    report_.verdict = Verdict::kTampered;
    report_.through = std::min(report_.through, report_.findings.front().block);
  } else if (unreadable_ || !first_seen_) {
    report_.verdict = Verdict::kBadInput;
  } else if (!key_.has_value() || report_.through == 0 || !BeginningRetained() || NoTagChecked()) {
    report_.verdict = Verdict::kIncomplete;
    report_.incomplete_from = 0;
    if (!key_.has_value()) {
      Say("no trusted key: give --key VKEY, or --self-key to trust the key beside the log");
    }
  } else {
    report_.verdict = Verdict::kOk;
  }
}

}  // namespace cairn::ledger
