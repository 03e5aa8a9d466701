#include "ledger/verifier.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/log_verifier.h"
#include "ledger/rotation.h"

namespace cairn::ledger {

// A log that is written meanwhile is listed after what vouches for it was read: else a receipt that
// came in between would tell of an end that is missing.
absl::Status LogVerifier::Prepare() {
  RETURN_IF_ERROR(FindSegments());
  RETURN_IF_ERROR(FindKey());
  RETURN_IF_ERROR(FindOutside());
  RETURN_IF_ERROR(FindSegments());
  for (const SegmentInfo& info : segments_) total_bytes_ += info.valid_bytes;
  return absl::OkStatus();
}

absl::Status LogVerifier::FindSegments() {
  struct stat st;
  if (::stat(path_.c_str(), &st) != 0) return ErrnoStatus(errno, path_);
  directory_ = S_ISDIR(st.st_mode);
  if (directory_) {
    ASSIGN_OR_RETURN(segments_, ListSegments(path_));
  } else {
    SegmentInfo info;
    info.path = path_;
    info.file_bytes = info.valid_bytes = static_cast<uint64_t>(st.st_size);
    segments_ = {info};
  }
  if (segments_.empty()) {
    return absl::NotFoundError(absl::StrCat(path_, ": no segments (*.seg) in this directory"));
  }
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
  const auto note = directory_
                        ? ReadRegularFile(absl::StrCat(path_, "/", kRotationFile), kMaxNoteBytes)
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

// What the caller named must count: taken for nothing, it would hide a missing end.
absl::Status LogVerifier::FindOutside() {
  bool asked = true;
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
  if (!options_.receipts_dir.empty()) {
    ASSIGN_OR_RETURN(const size_t taken, outside_->AddReceipts(options_.receipts_dir));
    asked = asked && taken > 0;
  } else if (directory_) {
    (void)outside_->AddReceipts(absl::StrCat(path_, "/", kReceiptsDir));
  }
  if (options_.through_note.has_value()) {
    asked = outside_->Add(*options_.through_note, "--through", "through") && asked;
  }
  for (const std::string& note : outside_->notes()) Say(note);
  if (!asked) {
    return absl::InvalidArgumentError(
        "what --receipts or --through names vouches for nothing of this log");
  }
  if (options_.collector_key.has_value() && outside_->receipts() == 0) {
    Say("no receipt by the collector's key was found");
  }
  return absl::OkStatus();
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

// A file that a crash left without a whole header, where nothing says that there was more.
bool LogVerifier::IsOnlyBegun(const SegmentCheck& check) const {
  return last_.has_value() && check.info.path == segments_.back().path && !check.header_seen &&
         check.finding.has_value() && check.finding->code == "torn" &&
         !(checkpoint_file_.has_value() &&
           checkpoint_file_->segment == SegmentName(check.info.epoch));
}

void LogVerifier::Take(SegmentCheck check) {
  if (IsOnlyBegun(check)) {
    Say(absl::StrCat(check.info.path,
                     ": begun, without a whole header: a writer at work, or a crash "
                     "not recovered yet"));
    return;
  }
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
  Link(&check);
  last_ = std::move(check);
}

// Tag keys of one run go on from segment to segment; of another run nothing can be said.
std::optional<Mismatch> LogVerifier::FollowTagKeys(const SegmentEnd& before, SegmentCheck* check) {
  if (options_.recipient_key == nullptr) return std::nullopt;
  TagStart* const start = &check->tag_start;
  std::optional<RunningTagKey> key;
  if (last_.has_value() && !last_->finding.has_value() && IsSameRun(before, check->header)) {
    key = std::move(last_->tag_key);
  }
  std::optional<Mismatch> mismatch = CheckTagRun(&key, check->header, start, &report_.tags_checked);
  if (!start->opened) check->tag_key = std::move(key);
  if (!mismatch && start->opened && !start->sealed_to_us) {
    Say(absl::StrCat(check->info.path, ": not sealed to this recipient: its tags are not checked"));
  }
  return mismatch;
}

void LogVerifier::Link(SegmentCheck* linked) {
  const SegmentCheck& check = *linked;
  if (!check.header_seen) return;
  SegmentEnd before;
  before.state = LogState::Beginning(check.header.origin());
  if (last_.has_value()) before = last_->end;
  std::optional<Mismatch> mismatch = Compare(before, check);
  if (!mismatch) mismatch = FollowTagKeys(before, linked);
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
  if (directory_ && check.header.epoch() != check.info.epoch) {
    return Mismatch{"gap", absl::StrCat("epoch ", check.header.epoch(), " under the name of epoch ",
                                        check.info.epoch)};
  }
  if (!last_.has_value()) {
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
  if (!mismatch && last_.has_value() && !check.epoch_key.empty() &&
      check.epoch_key == last_->epoch_key) {
    mismatch = Mismatch{"open", "the epoch's key is that of the epoch before"};
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

Report VerifyLog(const std::string& path, const VerifyOptions& options) {
  return LogVerifier(path, options).Run();
}

}  // namespace cairn::ledger
