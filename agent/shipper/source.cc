#include "agent/shipper/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/frame.h"
#include "ledger/note.h"
#include "ledger/segments.h"

namespace cairn::shipper {

using ledger::FrameEnd;
using ledger::FrameType;

absl::StatusOr<LogSource> LogSource::Open(const std::string& dir) {
  LogSource source(dir);
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(absl::StrCat(dir, "/", ledger::kKeyFile), 4096));
  const absl::string_view line = absl::StripAsciiWhitespace(text);
  const absl::StatusOr<ledger::VerifierKey> key = ledger::VerifierKey::Parse(line);
  if (!key.ok()) return Annotate(key.status(), absl::StrCat(dir, "/", ledger::kKeyFile));
  source.log_key_ = std::string(line);
  source.origin_ = key->name;
  source.rotation_ =
      ReadRegularFile(absl::StrCat(dir, "/", ledger::kRotationFile), ledger::kMaxNoteBytes)
          .value_or("");
  const absl::Status refreshed = source.Refresh();
  if (!refreshed.ok() && !absl::IsNotFound(refreshed)) return refreshed;
  return source;
}

absl::Status LogSource::Refresh() {
  ASSIGN_OR_RETURN(ledger::CheckpointFile file, ledger::ReadCheckpointFile(dir_));
  const std::string place = absl::StrCat(dir_, "/", ledger::kCheckpointFile);
  const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(file.note);
  if (!note.ok()) return Annotate(note.status(), place);
  const absl::StatusOr<ledger::Checkpoint> checkpoint = ledger::Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return Annotate(checkpoint.status(), place);
  if (checkpoint->origin != origin_) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": of log '", checkpoint->origin, "', not '", origin_, "'"));
  }
  uint64_t epoch = 0;
  if (!ledger::ParseSegmentName(file.segment, &epoch)) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": no segment name"));
  }
  limit_ = {epoch, file.offset};
  note_ = std::move(file.note);
  size_ = checkpoint->size;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> LogSource::FirstEpoch() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(dir_));
  for (const std::string& name : names) {
    uint64_t epoch = 0;
    if (ledger::ParseSegmentName(name, &epoch)) return epoch;
  }
  return absl::NotFoundError(absl::StrCat(dir_, ": no segment"));
}

absl::StatusOr<uint64_t> LogSource::End(uint64_t epoch) {
  if (epoch == limit_.epoch) return limit_.offset;
  if (epoch > limit_.epoch) return 0;
  const auto known = ends_.find(epoch);
  if (known != ends_.end()) return known->second;
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments, ledger::ListSegments(dir_));
  ends_.clear();
  for (const ledger::SegmentInfo& segment : segments) {
    if (segment.epoch >= epoch && segment.epoch < limit_.epoch && ends_.size() < 64) {
      ends_[segment.epoch] = segment.valid_bytes;
    }
  }
  const auto found = ends_.find(epoch);
  if (found != ends_.end()) return found->second;
  return absl::NotFoundError(
      absl::StrCat(dir_, "/", ledger::SegmentName(epoch), ": gone before it was shipped"));
}

absl::Status LogSource::OpenSegment(uint64_t epoch) {
  if (file_.valid() && open_epoch_ == epoch) return absl::OkStatus();
  const std::string path = absl::StrCat(dir_, "/", ledger::SegmentName(epoch));
  ASSIGN_OR_RETURN(file_, OpenFile(Io::Real(), path, O_RDONLY | O_NOFOLLOW));
  open_epoch_ = epoch;
  return absl::OkStatus();
}

absl::StatusOr<Piece> LogSource::Read(Cursor* at, size_t max_bytes) {
  uint64_t end = 0;
  for (;;) {
    ASSIGN_OR_RETURN(end, End(at->epoch));
    if (at->offset < end || at->epoch >= limit_.epoch) break;
    *at = {at->epoch + 1, 0};
  }
  Piece piece{.at = *at};
  if (at->offset >= end) return piece;
  RETURN_IF_ERROR(OpenSegment(at->epoch));
  piece.bytes.resize(std::min<uint64_t>(end - at->offset, max_bytes));
  size_t have = 0;
  while (have < piece.bytes.size()) {
    const ssize_t n = ::pread(file_.get(), piece.bytes.data() + have, piece.bytes.size() - have,
                              static_cast<off_t>(at->offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", ledger::SegmentName(at->epoch)));
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  piece.bytes.resize(have);
  RETURN_IF_ERROR(Cut(&piece));
  at->offset += piece.bytes.size();
  return piece;
}

void LogSource::Note(const ledger::FrameView& frame, Piece* piece) {
  if (frame.type == FrameType::kCheckpoint) {
    const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(frame.body);
    if (!note.ok()) return;  // the collector's verifier will say so
    const absl::StatusOr<ledger::Checkpoint> checkpoint = ledger::Checkpoint::Parse(note->text);
    if (checkpoint.ok()) piece->notes.push_back({checkpoint->size, std::string(frame.body)});
  } else if (frame.type == FrameType::kCommit) {
    const absl::StatusOr<ledger::Commit> commit = ledger::ParseCommit(frame.body);
    if (commit.ok()) next_block_ = commit->size;
  } else if (frame.type == FrameType::kBlock) {
    if (next_block_.has_value()) ++*next_block_;
    ledger::BlockHead head;
    if (frame.body.size() <= ledger::kTagBytes ||
        !ledger::ParseBlockHead(frame.body.substr(ledger::kTagBytes), &head).ok()) {
      return;
    }
    piece->urgent = piece->urgent || (head.flags & ledger::kBlockUrgent) != 0;
    if (!next_block_.has_value()) return;
    piece->blocks.push_back({.end = *next_block_,
                             .records = static_cast<uint32_t>(head.record_count),
                             .last_time_ns = head.last_time_ns,
                             .urgent = (head.flags & ledger::kBlockUrgent) != 0});
  }
}

absl::Status LogSource::Cut(Piece* piece) {
  if (piece->at != next_) next_block_.reset();
  absl::string_view rest = piece->bytes;
  std::string cause = "shorter than its checkpoint states";
  FrameEnd end = FrameEnd::kFrame;
  if (piece->at.offset == 0) {
    SegmentHeader header;
    size_t size = 0;
    end = ledger::ParseHeader(rest, &header, &size, &cause);
    if (end == FrameEnd::kFrame) rest.remove_prefix(size);
    if (end == FrameEnd::kFrame) next_block_ = header.first_block();
  }
  while (end == FrameEnd::kFrame && !rest.empty()) {
    ledger::FrameView frame;
    end = ledger::ParseFrame(rest, &frame, &cause);
    if (end != FrameEnd::kFrame) break;
    rest.remove_prefix(frame.size);
    Note(frame, piece);
  }
  const size_t whole = piece->bytes.size() - rest.size();
  if (end == FrameEnd::kBad || whole == 0) {
    return absl::DataLossError(absl::StrCat(dir_, "/", ledger::SegmentName(piece->at.epoch),
                                            ": frame at byte ", piece->at.offset + whole, ": ",
                                            cause));
  }
  piece->bytes.resize(whole);
  next_ = {piece->at.epoch, piece->at.offset + whole};
  return absl::OkStatus();
}

}  // namespace cairn::shipper
