#include "ledger/verifier.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/outside.h"
#include "ledger/retained.h"
#include "ledger/rotation.h"
#include "ledger/segment_check.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxListed = 10000;  // findings, ranges, notes

// Segments are checked by several threads, each by itself, and taken in order: what is kept of
// them is the one before the next.
class LogVerifier {
 public:
  LogVerifier(std::string path, const VerifyOptions& options)
      : path_(std::move(path)), options_(options) {}

  Report Run() {
    const absl::Status status = Prepare();
    if (!status.ok()) {
      report_.verdict = Verdict::kBadInput;
      report_.notes.emplace_back(status.message());
      return report_;
    }
    CheckSegments();
    JudgeTail();
    JudgeOutside();
    Conclude();
    return report_;
  }

 private:
  absl::Status Prepare();
  absl::Status FindKey();
  void FollowRotation();
  void FindOutside();
  void CheckSegments();
  SegmentCheck CheckOne(const SegmentInfo& info);
  void HandIn(size_t index, SegmentCheck check) ABSL_LOCKS_EXCLUDED(mutex_);
  void Take(SegmentCheck check);
  void Link(const SegmentCheck& check);
  std::optional<Mismatch> Compare(const SegmentEnd& before, const SegmentCheck& check) const;
  void Count(const SegmentCheck& check);
  void JudgeTail();
  void JudgeOutside();
  bool BeginningRetained();
  void Conclude();
  Finding AtEnd(absl::string_view code, std::string detail) const;
  void Found(Finding finding) {
    if (report_.findings.size() < kMaxListed) report_.findings.push_back(std::move(finding));
  }
  void Say(std::string note) {
    if (report_.notes.size() < kMaxListed) report_.notes.push_back(std::move(note));
  }

  const std::string path_;
  const VerifyOptions& options_;
  bool directory_ = false;
  std::optional<VerifierKey> key_;
  std::unique_ptr<Outside> outside_;
  std::optional<CheckpointFile> checkpoint_file_;
  std::vector<SegmentInfo> segments_;
  uint64_t total_bytes_ = 0;
  std::atomic<uint64_t> done_bytes_{0};
  size_t window_ = 1;  // segments that may be handed in before their turn

  absl::Mutex mutex_;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;  // segments
  std::map<size_t, SegmentCheck> early_ ABSL_GUARDED_BY(mutex_);

  // Written in the order of the segments, under mutex_ while threads run.
  Report report_;
  std::optional<SegmentCheck> last_;  // the newest taken
  bool first_seen_ = false;           // the first segment's header
  bool unreadable_ = false;
  Retained retained_;
};

absl::Status LogVerifier::Prepare() {
  struct stat st;
  if (::stat(path_.c_str(), &st) != 0) return ErrnoStatus(errno, path_);
  directory_ = S_ISDIR(st.st_mode);
  if (directory_) {
    ASSIGN_OR_RETURN(segments_, ListSegments(path_));
  } else {
    SegmentInfo info;
    info.path = path_;
    info.file_bytes = info.valid_bytes = static_cast<uint64_t>(st.st_size);
    segments_.push_back(info);
  }
  if (segments_.empty()) {
    return absl::NotFoundError(absl::StrCat(path_, ": no segments (*.seg) in this directory"));
  }
  for (const SegmentInfo& info : segments_) total_bytes_ += info.valid_bytes;
  RETURN_IF_ERROR(FindKey());
  FindOutside();
  return absl::OkStatus();
}

absl::Status LogVerifier::FindKey() {
  report_.trust = "none";
  if (options_.key.has_value()) {
    key_ = options_.key;
    report_.trust = "key";
    FollowRotation();
  } else if (options_.self_key) {
    const std::string dir = directory_ ? path_ : path_.substr(0, path_.find_last_of('/') + 1);
    ASSIGN_OR_RETURN(const std::string text,
                     ReadFile(absl::StrCat(dir.empty() ? "." : dir, "/", kKeyFile), 4096));
    ASSIGN_OR_RETURN(key_, VerifierKey::Parse(text));
    report_.trust = "self-key";
  }
  return absl::OkStatus();
}

// A log of the incarnation after the trusted key's: the key it names counts.
void LogVerifier::FollowRotation() {
  const auto note = directory_ ? ReadFile(absl::StrCat(path_, "/", kRotationFile), kMaxNoteBytes)
                               : absl::NotFoundError("");
  const auto header = note.ok() ? ReadHeader(segments_.front().path) : note.status();
  if (!header.ok() || header->origin() == key_->name) return;
  const absl::StatusOr<VerifierKey> next = CheckRotation(*note, *key_);
  if (next.ok() && next->name == header->origin()) {
    Say(absl::StrCat("the key of ", key_->name, " names the key of this log"));
    key_ = *next;
  } else if (!next.ok()) {
    Say(absl::StrCat(path_, "/", kRotationFile, ": ", next.status().message()));
  }
}

void LogVerifier::FindOutside() {
  outside_ = std::make_unique<Outside>(key_, options_.collector_key);
  if (directory_) {
    absl::StatusOr<CheckpointFile> file = ReadCheckpointFile(path_);
    if (file.ok()) {
      outside_->Add(file->note, absl::StrCat(path_, "/", kCheckpointFile), "cut");
      checkpoint_file_ = *std::move(file);
    } else {
      Say(std::string(file.status().message()));
    }
  }
  std::string receipts = options_.receipts_dir;
  if (receipts.empty() && directory_) receipts = absl::StrCat(path_, "/", kReceiptsDir);
  if (!receipts.empty()) outside_->AddReceipts(receipts);
  if (!options_.through_note.empty()) outside_->Add(options_.through_note, "--through", "through");
  for (const std::string& note : outside_->notes()) Say(note);
}

void LogVerifier::CheckSegments() {
  size_t threads = options_.threads > 0 ? static_cast<size_t>(options_.threads)
                                        : std::thread::hardware_concurrency();
  threads = std::clamp<size_t>(threads, 1, segments_.size());
  window_ = 2 * threads;
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < segments_.size(); i = next++) HandIn(i, CheckOne(segments_[i]));
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

SegmentCheck LogVerifier::CheckOne(const SegmentInfo& info) {
  StreamOptions options;
  options.log_key = key_;
  options.recipient_key = options_.recipient_key;
  options.allow_redacted = options_.allow_redacted;
  options.on_checkpoint = [this](const Checkpoint& checkpoint, absl::string_view) {
    outside_->See(checkpoint);
  };
  options.on_retention = [this](const Retention& record, uint64_t block) {
    retained_.SeeRecord(record, block);
  };
  return CheckSegment(info, std::move(options), [this](uint64_t bytes) {
    const uint64_t done = done_bytes_ += bytes;
    if (options_.progress) options_.progress(done, total_bytes_);
  });
}

// Waits while too many segments behind the next in turn are there already: memory stays bounded
// however slow one of them is.
void LogVerifier::HandIn(size_t index, SegmentCheck check) {
  const absl::MutexLock lock(&mutex_);
  const auto near = [this, index]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return index < taken_ + window_; };
  mutex_.Await(absl::Condition(&near));
  early_.emplace(index, std::move(check));
  for (auto it = early_.begin(); it != early_.end() && it->first == taken_; ++taken_) {
    Take(std::move(it->second));
    it = early_.erase(it);
  }
}

void LogVerifier::Take(SegmentCheck check) {
  Count(check);
  if (!check.unreadable.empty()) Say(check.unreadable);
  // The tail of the newest segment is judged by itself.
  const bool newest = check.info.path == segments_.back().path;
  if (check.finding.has_value() && !(newest && check.header_seen)) {
    Finding finding = *check.finding;
    if (!check.header_seen && last_.has_value()) {
      // It cannot say where it begins.
      finding.block = last_->end.state.size;
      finding.end_block = finding.block + 1;
      finding.first_sequence = last_->end.state.next_sequence;
      finding.end_sequence = finding.first_sequence + 1;
    }
    Found(std::move(finding));
  }
  Link(check);
  last_ = std::move(check);
}

void LogVerifier::Link(const SegmentCheck& check) {
  if (!check.header_seen) return;
  SegmentEnd before;
  before.state = LogState::Beginning(check.header.origin());
  if (last_.has_value()) before = last_->end;
  const std::optional<Mismatch> mismatch = Compare(before, check);
  if (!mismatch) return;
  Finding finding;
  finding.code = mismatch->code;
  finding.detail = mismatch->detail;
  finding.block = before.state.size;
  finding.end_block = std::max(check.header.first_block(), finding.block + 1);
  finding.first_sequence = before.state.next_sequence;
  finding.end_sequence = std::max(check.header.first_sequence(), finding.first_sequence + 1);
  finding.file = check.info.path;
  Found(std::move(finding));
}

std::optional<Mismatch> LogVerifier::Compare(const SegmentEnd& before,
                                             const SegmentCheck& check) const {
  if (!last_.has_value()) {
    if (directory_ && check.header.epoch() != check.info.epoch) {
      return Mismatch{"gap", absl::StrCat("epoch ", check.header.epoch(),
                                          " under the name of epoch ", check.info.epoch)};
    }
    if (check.header.epoch() != 0) return std::nullopt;
  } else if (last_->finding.has_value() && last_->finding->code != "torn") {
    return std::nullopt;
  }
  SegmentEnd there = before;
  // An exported copy is not as long as the log it is of.
  if (last_.has_value() && !last_->redacted.empty())
    there.bytes = check.header.previous_valid_bytes();
  std::optional<Mismatch> mismatch = CheckLink(there, check.header);
  if (!mismatch && !check.epoch_key.empty() &&
      !KeyAsAnnounced(before, check.header, check.epoch_key)) {
    mismatch = Mismatch{"open", "the epoch's key is not the one the epoch before announced"};
  }
  return mismatch;
}

void LogVerifier::Count(const SegmentCheck& check) {
  if (!last_.has_value()) {
    first_seen_ = check.header_seen;
    report_.origin = check.header.origin();
    report_.first_block = check.header.first_block();
    report_.first_epoch = check.header.epoch();
    report_.first_sequence = check.header.first_sequence();
  }
  if (report_.first_block > 0 && check.header_seen) retained_.SeeSegment(check.header);
  ++report_.segments;
  unreadable_ = unreadable_ || !check.unreadable.empty();
  report_.through = std::max(report_.through, check.checkpointed);
  report_.tags_checked += check.tags_checked;
  for (const BlockRange& range : check.redacted) {
    report_.redacted += range.end_block - range.block;
    if (report_.redacted_ranges.size() < kMaxListed) report_.redacted_ranges.push_back(range);
  }
  if (!report_.anchored_from && check.opened_at && *check.opened_at < outside_->receipted()) {
    report_.anchored_from = check.opened_at;
  }
  const std::string& ended = check.header.previous_end();
  if (ended == "torn" || ended == "storage") {
    Say(absl::StrCat(check.info.path, ": the epoch before ended ", ended, " at byte ",
                     check.header.previous_valid_bytes()));
  }
}

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
  } else if (!key_.has_value() || report_.through == 0 || !BeginningRetained()) {
    report_.verdict = Verdict::kIncomplete;
    report_.incomplete_from = 0;
    if (!key_.has_value()) {
      Say("no trusted key: give --key VKEY, or --self-key to trust the key beside the log");
    }
  } else {
    report_.verdict = Verdict::kOk;
  }
}

}  // namespace

Report VerifyLog(const std::string& path, const VerifyOptions& options) {
  return LogVerifier(path, options).Run();
}

}  // namespace cairn::ledger
