#include "ledger/verifier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxReceipts = 100000;

// A statement about the log from outside its segments: the file `checkpoint`, a receipt,
// --through.
struct Outside {
  std::string where;
  std::string code;  // of the finding when it does not fit
  Checkpoint checkpoint;
  bool seen = false;
};

// What was found out about one segment, by itself.
struct SegmentResult {
  SegmentInfo info;
  SegmentHeader header;
  bool header_seen = false;
  SegmentEnd end;
  uint64_t checkpointed = 0;  // 0: none in this segment
  uint64_t durable_offset = 0;
  uint64_t tags_checked = 0;
  uint64_t redacted = 0;
  std::optional<uint64_t> opened_at;  // index of the epoch_open block
  std::string epoch_key;
  std::string close_reason;
  bool torn = false;  // ends within a frame
  std::optional<Finding> finding;
  std::string unreadable;
};

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
    VerifySegments();
    Link();
    JudgeTail();
    JudgeOutside();
    Conclude();
    return report_;
  }

 private:
  absl::Status Prepare();
  absl::Status FindKey();
  absl::Status FindOutside();
  void AddOutside(absl::string_view text, absl::string_view where, absl::string_view code);
  void VerifySegments();
  void VerifySegment(SegmentResult* result);
  void SeeCheckpoint(const Checkpoint& checkpoint);
  void Link();
  void JudgeTail();
  void JudgeOutside();
  void Conclude();
  Finding AtEnd(absl::string_view code, std::string detail) const;

  const std::string path_;
  const VerifyOptions& options_;
  bool directory_ = false;
  std::optional<VerifierKey> key_;
  std::optional<CheckpointFile> checkpoint_file_;
  std::vector<SegmentResult> segments_;
  std::atomic<uint64_t> done_bytes_{0};
  uint64_t total_bytes_ = 0;
  absl::Mutex mutex_;
  std::multimap<uint64_t, Outside> outside_ ABSL_GUARDED_BY(mutex_);
  std::vector<Finding> outside_findings_ ABSL_GUARDED_BY(mutex_);
  Report report_;
};

absl::Status LogVerifier::Prepare() {
  struct stat st;
  if (::stat(path_.c_str(), &st) != 0) return ErrnoStatus(errno, path_);
  directory_ = S_ISDIR(st.st_mode);
  std::vector<SegmentInfo> infos;
  if (directory_) {
    ASSIGN_OR_RETURN(infos, ListSegments(path_));
  } else {
    SegmentInfo info;
    info.path = path_;
    info.file_bytes = info.valid_bytes = static_cast<uint64_t>(st.st_size);
    infos.push_back(info);
  }
  if (infos.empty()) {
    return absl::NotFoundError(absl::StrCat(path_, ": no segments (*.seg) in this directory"));
  }
  for (SegmentInfo& info : infos) {
    total_bytes_ += info.valid_bytes;
    segments_.emplace_back().info = std::move(info);
  }
  RETURN_IF_ERROR(FindKey());
  return FindOutside();
}

absl::Status LogVerifier::FindKey() {
  report_.trust = "none";
  if (options_.key.has_value()) {
    key_ = options_.key;
    report_.trust = "key";
  } else if (options_.self_key) {
    const std::string dir = directory_ ? path_ : path_.substr(0, path_.find_last_of('/') + 1);
    ASSIGN_OR_RETURN(const std::string text,
                     ReadFile(absl::StrCat(dir.empty() ? "." : dir, "/", kKeyFile), 4096));
    ASSIGN_OR_RETURN(key_, VerifierKey::Parse(text));
    report_.trust = "self-key";
  }
  return absl::OkStatus();
}

absl::Status LogVerifier::FindOutside() {
  if (directory_) {
    absl::StatusOr<CheckpointFile> file = ReadCheckpointFile(path_);
    if (file.ok()) {
      AddOutside(file->note, absl::StrCat(path_, "/", kCheckpointFile), "cut");
      checkpoint_file_ = *std::move(file);
    } else {
      report_.notes.emplace_back(file.status().message());
    }
  }
  std::string receipts = options_.receipts_dir;
  if (receipts.empty() && directory_) receipts = absl::StrCat(path_, "/", kReceiptsDir);
  const auto names = receipts.empty()
                         ? std::vector<std::string>{}
                         : ListDirectory(receipts).value_or(std::vector<std::string>{});
  for (size_t i = 0; i < std::min(names.size(), kMaxReceipts); ++i) {
    if (names[i].empty() || names[i][0] == '.') continue;
    const std::string place = absl::StrCat(receipts, "/", names[i]);
    const auto text = ReadFile(place, kMaxNoteBytes);
    if (text.ok()) AddOutside(*text, place, "receipt");
  }
  if (!options_.through_note.empty()) AddOutside(options_.through_note, "--through", "through");
  return absl::OkStatus();
}

// Only what our own trusted key signed is a statement about the log.
void LogVerifier::AddOutside(absl::string_view text, absl::string_view where,
                             absl::string_view code) {
  const absl::StatusOr<Note> note = Note::Parse(text);
  const absl::StatusOr<Checkpoint> checkpoint =
      note.ok() ? Checkpoint::Parse(note->text) : note.status();
  if (!checkpoint.ok()) {
    report_.notes.push_back(absl::StrCat(where, ": ", checkpoint.status().message()));
    return;
  }
  if (key_.has_value() && CheckNote(*note, *key_) != NoteCheck::kValid) {
    report_.notes.push_back(absl::StrCat(where, ": not signed by the trusted key; ignored"));
    return;
  }
  if (code == "receipt" && options_.collector_key.has_value()) {
    if (CheckNote(*note, *options_.collector_key) != NoteCheck::kValid) {
      report_.notes.push_back(absl::StrCat(where, ": no good cosignature by the collector's key"));
      return;
    }
    ++report_.receipts;
    report_.receipted = std::max(report_.receipted, checkpoint->size);
  }
  const absl::MutexLock lock(&mutex_);
  outside_.emplace(checkpoint->size, Outside{std::string(where), std::string(code), *checkpoint});
}

void LogVerifier::VerifySegments() {
  size_t threads = options_.threads > 0 ? static_cast<size_t>(options_.threads)
                                        : std::thread::hardware_concurrency();
  threads = std::clamp<size_t>(threads, 1, segments_.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < segments_.size(); i = next++) VerifySegment(&segments_[i]);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

// From what its header claims to its end; Link checks the claims.
void LogVerifier::VerifySegment(SegmentResult* result) {
  StreamOptions options;
  options.log_key = key_;
  options.recipient_key = options_.recipient_key;
  options.allow_redacted = options_.allow_redacted;
  options.on_epoch = [&](const SegmentHeader&, const EpochOpen&, uint64_t block) {
    result->opened_at = block;
  };
  options.on_checkpoint = [&](const Checkpoint& checkpoint, absl::string_view) {
    result->checkpointed = checkpoint.size;
    SeeCheckpoint(checkpoint);
  };
  StreamVerifier verifier(std::move(options), std::nullopt);
  const auto fd = OpenFile(Io::Real(), result->info.path, O_RDONLY | O_NOFOLLOW);
  if (!fd.ok()) {
    result->unreadable = std::string(fd.status().message());
    return;
  }
  absl::Status status = verifier.BeginSegment(result->info.path);
  std::string buffer(kReadBytes, '\0');
  uint64_t left = result->info.valid_bytes;
  while (status.ok() && left > 0) {
    const ssize_t n = ::read(fd->get(), buffer.data(), std::min<uint64_t>(left, buffer.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) result->unreadable = absl::StrCat(result->info.path, ": ", ::strerror(errno));
    if (n <= 0) break;
    status = verifier.Feed(absl::string_view(buffer.data(), static_cast<size_t>(n)));
    left -= static_cast<uint64_t>(n);
    const uint64_t done = done_bytes_ += static_cast<uint64_t>(n);
    if (options_.progress) options_.progress(done, total_bytes_);
  }
  if (status.ok()) result->torn = !verifier.EndSegment().ok();
  if (verifier.finding() != nullptr) result->finding = *verifier.finding();
  result->header = verifier.header();
  result->header_seen = verifier.header_seen();
  result->end = verifier.end();
  result->durable_offset = verifier.durable_offset();
  result->tags_checked = verifier.tags_checked();
  result->redacted = verifier.redacted();
  result->epoch_key = verifier.epoch_key();
  result->close_reason = verifier.close_reason();
}

void LogVerifier::SeeCheckpoint(const Checkpoint& checkpoint) {
  const absl::MutexLock lock(&mutex_);
  const auto [begin, end] = outside_.equal_range(checkpoint.size);
  for (auto it = begin; it != end; ++it) {
    if (it->second.checkpoint.root == checkpoint.root &&
        it->second.checkpoint.origin == checkpoint.origin) {
      it->second.seen = true;
    }
  }
}

Finding LogVerifier::AtEnd(absl::string_view code, std::string detail) const {
  const SegmentResult& last = segments_.back();
  Finding finding;
  finding.code = std::string(code);
  finding.block = last.end.state.size;
  finding.end_block = finding.block + 1;
  finding.first_sequence = last.end.state.next_sequence;
  finding.end_sequence = finding.first_sequence + 1;
  finding.file = last.info.path;
  finding.offset = last.end.bytes;
  finding.detail = std::move(detail);
  return finding;
}

void LogVerifier::Link() {
  for (size_t i = 0; i < segments_.size(); ++i) {
    const SegmentResult& segment = segments_[i];
    if (!segment.unreadable.empty()) report_.notes.push_back(segment.unreadable);
    const bool last = i + 1 == segments_.size();
    // The tail of the newest segment is judged by itself.
    if (segment.finding.has_value() && !(last && segment.header_seen)) {
      report_.findings.push_back(*segment.finding);
    }
    if (!segment.header_seen || (i == 0 && segment.header.epoch() != 0)) continue;
    SegmentResult before;
    before.end.state = LogState::Beginning(segment.header.origin());
    if (i > 0) before = segments_[i - 1];
    if (before.finding.has_value() && before.finding->code != "torn") continue;
    std::optional<Mismatch> mismatch = CheckLink(before.end, segment.header);
    if (!mismatch && !segment.epoch_key.empty() &&
        !KeyAsAnnounced(before.end, segment.header, segment.epoch_key)) {
      mismatch = Mismatch{"open", "the epoch's key is not the one the epoch before announced"};
    }
    if (!mismatch) continue;
    Finding finding;
    finding.code = mismatch->code;
    finding.detail = mismatch->detail;
    finding.block = before.end.state.size;
    finding.end_block = std::max(segment.header.first_block(), finding.block + 1);
    finding.first_sequence = before.end.state.next_sequence;
    finding.end_sequence = std::max(segment.header.first_sequence(), finding.first_sequence + 1);
    finding.file = segment.info.path;
    report_.findings.push_back(std::move(finding));
  }
}

// Bytes behind the newest durable point of an unsealed newest segment may be torn: a crash, or
// a writer at work. Anything before that point must be good.
void LogVerifier::JudgeTail() {
  const SegmentResult& last = segments_.back();
  if (!last.header_seen) return;
  uint64_t durable = last.durable_offset;
  const absl::string_view name =
      absl::string_view(last.info.path).substr(last.info.path.find_last_of('/') + 1);
  if (checkpoint_file_.has_value() && checkpoint_file_->segment == name) {
    durable = std::max(durable, checkpoint_file_->offset);
  }
  const bool torn = last.torn || (last.finding.has_value() && last.finding->code == "frame");
  const bool harmless = torn && last.end.bytes >= durable && !last.end.sealed;
  if (last.finding.has_value() && !harmless) report_.findings.push_back(*last.finding);
  if (harmless) {
    report_.notes.push_back(absl::StrCat(last.info.path, ": torn after byte ", last.end.bytes,
                                         ": a writer at work, or a crash not recovered yet"));
  } else if (!last.finding.has_value() && last.end.bytes < durable) {
    report_.findings.push_back(
        AtEnd("cut", absl::StrCat(durable, " bytes were durable, ", last.end.bytes, " are there")));
  }
}

void LogVerifier::JudgeOutside() {
  const absl::MutexLock lock(&mutex_);
  const uint64_t first = segments_.front().header.first_block();
  const uint64_t size = segments_.back().end.state.size;
  for (const auto& [at, outside] : outside_) {
    if (outside.seen || at < first || !report_.findings.empty()) continue;
    Finding finding = AtEnd(outside.code, "");
    if (at > size) {
      finding.end_block = at;
      finding.detail = absl::StrCat(outside.where, " vouches for ", at, " blocks, ", size,
                                    " are there: the end is missing");
    } else {
      finding.block = first;
      finding.end_block = at;
      finding.first_sequence = segments_.front().header.first_sequence();
      finding.end_sequence = segments_.back().end.state.next_sequence;
      finding.detail = absl::StrCat(outside.where, " vouches for another log of ", at, " blocks");
    }
    report_.findings.push_back(std::move(finding));
  }
}

void LogVerifier::Conclude() {
  std::sort(report_.findings.begin(), report_.findings.end(),
            [](const Finding& a, const Finding& b) { return a.block < b.block; });
  const SegmentResult& first = segments_.front();
  report_.origin = first.header.origin();
  report_.first_block = first.header.first_block();
  report_.first_epoch = first.header.epoch();
  report_.size = segments_.back().end.state.size;
  report_.records = segments_.back().end.state.next_sequence - first.header.first_sequence();
  report_.segments = segments_.size();
  report_.bytes = total_bytes_;
  for (const SegmentResult& segment : segments_) {
    report_.through = std::max(report_.through, segment.checkpointed);
    report_.tags_checked += segment.tags_checked;
    report_.redacted += segment.redacted;
    if (!report_.anchored_from && segment.opened_at && *segment.opened_at < report_.receipted) {
      report_.anchored_from = segment.opened_at;
    }
    if (segment.header.previous_end() == "torn" || segment.header.previous_end() == "storage") {
      report_.notes.push_back(absl::StrCat(segment.info.path, ": the epoch before ended ",
                                           segment.header.previous_end(), " at byte ",
                                           segment.header.previous_valid_bytes()));
    }
  }
  if (report_.size > report_.through && report_.findings.empty()) {
    report_.notes.push_back(absl::StrCat(report_.size - report_.through,
                                         " blocks behind the newest checkpoint: not vouched for"));
  }
  const bool unreadable = std::any_of(segments_.begin(), segments_.end(), [](const auto& segment) {
    return !segment.unreadable.empty();
  });
  if (!report_.findings.empty()) {
    report_.verdict = Verdict::kTampered;
    report_.through = std::min(report_.through, report_.findings.front().block);
  } else if (unreadable || !first.header_seen) {
    report_.verdict = Verdict::kBadInput;
  } else if (!key_.has_value() || report_.first_block > 0 || report_.through == 0) {
    report_.verdict = Verdict::kIncomplete;
    report_.incomplete_from = 0;
    if (!key_.has_value()) {
      report_.notes.emplace_back(
          "no trusted key: give --key VKEY, or --self-key to trust the key beside the log");
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
