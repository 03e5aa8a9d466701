#include "ledger/reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/block_records.h"
#include "ledger/format.h"
#include "ledger/open_segment.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

constexpr size_t kReadBytes = 1 << 20;
}  // namespace

class LogReader::Impl {
 public:
  Impl(std::string path, bool directory) : path_(std::move(path)), directory_(directory) {}

  absl::StatusOr<ReadEnd> Next(LoggedRecord* out) {
    for (;;) {
      while (next_record_ < records_.size()) {
        records_.Fill(next_record_++, out);
        if (out->wall_ns >= from_wall_ns_) return ReadEnd::kRecord;
      }
      ASSIGN_OR_RETURN(const ReadEnd end, NextBlock());
      if (end != ReadEnd::kRecord) return end;
    }
  }

  void SeekTime(uint64_t wall_ns) { from_wall_ns_ = wall_ns; }

 private:
  absl::StatusOr<ReadEnd> NextBlock() {
    for (;;) {
      if (broken_ && !CloseIfFinished()) return ReadEnd::kEnd;
      if (!file_.valid()) {
        ASSIGN_OR_RETURN(const bool opened, OpenNext());
        if (!opened) return ReadEnd::kEnd;
      }
      FrameView frame;
      std::string cause;
      const FrameEnd end = ParseNext(&frame, &cause);
      if (end == FrameEnd::kBad) {
        broken_ = true;
        return absl::DataLossError(absl::StrCat(segment_path_, ": byte ", offset_, ": ", cause));
      }
      if (end == FrameEnd::kNeedMore) {
        ASSIGN_OR_RETURN(const bool more, ReadMore());
        if (more) continue;
        if (CloseIfFinished()) continue;
        return buffered().empty() ? ReadEnd::kEnd : ReadEnd::kTornTail;
      }
      Consume(frame.size);
      if (frame.type == FrameType::kSeal) sealed_ = true;
      if (frame.type == FrameType::kRedacted) ++next_block_;
      if (frame.type == FrameType::kBlock) {
        RETURN_IF_ERROR(TakeBlock(frame));
        return ReadEnd::kRecord;
      }
    }
  }

  // The header is consumed as if it were a frame of no type.
  FrameEnd ParseNext(FrameView* frame, std::string* cause) {
    if (header_seen_) return ParseFrame(buffered(), frame, cause);
    const FrameEnd end = ParseHeader(buffered(), &header_, &frame->size, cause);
    if (end == FrameEnd::kFrame) {
      header_seen_ = true;
      next_block_ = header_.first_block();
      records_.BeginSegment(header_);
      frame->type = FrameType::kCommit;
    }
    return end;
  }

  absl::Status TakeBlock(const FrameView& frame) {
    next_record_ = 0;
    const absl::string_view body = frame.body.substr(std::min(kTagBytes, frame.body.size()));
    const absl::Status parsed = records_.Take(next_block_++, body);
    if (parsed.ok()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(segment_path_, ": byte ", offset_ - frame.size, ": ", parsed.message()));
  }

  absl::StatusOr<bool> OpenNext() {
    std::string path = path_;
    uint64_t limit = UINT64_MAX;
    if (directory_) {
      ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(path_));
      const SegmentInfo* next = nullptr;
      for (const SegmentInfo& segment : segments) {
        if (next_epoch_.has_value() && segment.epoch < *next_epoch_) continue;
        if (SkippedBySeek(segments, segment)) continue;
        next = &segment;
        break;
      }
      if (next == nullptr) return false;
      last_epoch_ = segments.back().epoch;
      path = next->path;
      if (next->valid_bytes < next->file_bytes) limit = next->valid_bytes;
      next_epoch_ = next->epoch + 1;
    } else if (next_epoch_.has_value()) {
      return false;
    } else {
      next_epoch_ = 0;
    }
    ASSIGN_OR_RETURN(file_, OpenSegment(path));
    segment_path_ = path;
    limit_ = limit;
    buffer_.clear();
    used_ = offset_ = 0;
    header_seen_ = sealed_ = false;
    return true;
  }

  // A segment is skipped when the one behind it began before the time sought.
  bool SkippedBySeek(const std::vector<SegmentInfo>& segments, const SegmentInfo& segment) const {
    if (from_wall_ns_ == 0 || segment.epoch == segments.back().epoch) return false;
    const SegmentInfo* behind = &segment + 1;
    const absl::StatusOr<SegmentHeader> header = ReadHeader(behind->path);
    return header.ok() && header->created_wall_ns() < from_wall_ns_;
  }

  // A segment is finished once sealed, or once a newer one exists.
  bool CloseIfFinished() {
    if (!directory_) return false;
    // Not by listing the directory: opening it is an event, and a follower would make the log
    // that it follows grow.
    if (!sealed_ && last_epoch_ < *next_epoch_ &&
        ::access(absl::StrCat(path_, "/", SegmentName(*next_epoch_)).c_str(), F_OK) != 0) {
      return false;
    }
    file_.Reset();
    broken_ = false;
    return true;
  }

  absl::StatusOr<bool> ReadMore() {
    if (offset_ + buffered().size() >= limit_) return false;
    buffer_.erase(0, used_);
    used_ = 0;
    const size_t have = buffer_.size();
    buffer_.resize(have + kReadBytes);
    ssize_t n;
    do {
      n = ::read(file_.get(), buffer_.data() + have, kReadBytes);
    } while (n < 0 && errno == EINTR);
    const int error = errno;
    buffer_.resize(have + static_cast<size_t>(n < 0 ? 0 : n));
    if (n < 0) return ErrnoStatus(error, absl::StrCat("read ", segment_path_));
    if (offset_ + buffer_.size() > limit_) buffer_.resize(limit_ - offset_);
    return n > 0;
  }

  absl::string_view buffered() const { return absl::string_view(buffer_).substr(used_); }
  void Consume(size_t size) {
    used_ += size;
    offset_ += size;
  }

  const std::string path_;
  const bool directory_;
  uint64_t from_wall_ns_ = 0;
  uint64_t last_epoch_ = 0;  // in the directory, when it was listed
  std::optional<uint64_t> next_epoch_;

  Fd file_;
  std::string segment_path_;
  uint64_t limit_ = UINT64_MAX;
  std::string buffer_;
  size_t used_ = 0;
  uint64_t offset_ = 0;
  SegmentHeader header_;
  bool header_seen_ = false;
  bool sealed_ = false;
  bool broken_ = false;  // its frames cannot be told apart from here on

  BlockRecords records_;  // of the last block
  int next_record_ = 0;
  uint64_t next_block_ = 0;
};

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::~LogReader() = default;

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Open(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, path);
  if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": neither a log directory nor a segment file"));
  }
  if (S_ISDIR(st.st_mode)) {
    ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(path));
    if (segments.empty()) {
      return absl::NotFoundError(absl::StrCat(path, ": no segments (*.seg) in this directory"));
    }
  }
  return std::unique_ptr<LogReader>(
      new LogReader(std::make_unique<Impl>(path, S_ISDIR(st.st_mode))));
}

absl::StatusOr<ReadEnd> LogReader::Next(LoggedRecord* out) { return impl_->Next(out); }
void LogReader::SeekTime(uint64_t wall_ns) { impl_->SeekTime(wall_ns); }

}  // namespace cairn::ledger
