#include "ledger/export.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/format.h"
#include "ledger/frame.h"
#include "ledger/merkle.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxSegmentBytes = 256 << 20;
constexpr size_t kMaxReceipts = 100000;

using BlockSet = absl::flat_hash_set<uint64_t>;  // indexes

absl::StatusOr<BlockSet> BlocksToHide(const std::string& segment,
                                      const std::function<bool(const LoggedRecord&)>& hide) {
  BlockSet blocks;
  ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> reader, LogReader::Open(segment));
  LoggedRecord logged;
  for (;;) {
    ASSIGN_OR_RETURN(const ReadEnd end, reader->Next(&logged));
    if (end != ReadEnd::kRecord) return blocks;
    const EventType type = logged.record->type();
    if (type == AGENT_EPOCH_OPEN || type == AGENT_EPOCH_CLOSE) continue;
    if (hide(logged)) blocks.insert(logged.block);
  }
}

absl::StatusOr<std::string> Redacted(absl::string_view body) {
  const absl::string_view stored = body.substr(kTagBytes);
  BlockHead head;
  RETURN_IF_ERROR(ParseBlockHead(stored, &head));
  RedactedBlock block;
  block.leaf = LeafHash(stored);
  std::memcpy(block.tag.data(), body.data(), kTagBytes);
  block.first_sequence = head.first_sequence;
  block.count = static_cast<uint32_t>(head.record_count);
  return MakeRedacted(block);
}

// The segment's bytes with those blocks redacted.
absl::StatusOr<std::string> Redact(absl::string_view bytes, absl::string_view path,
                                   const BlockSet& hidden, ExportSummary* summary) {
  SegmentHeader header;
  size_t at = 0;
  std::string cause = "the file ends within its header";
  if (ParseHeader(bytes, &header, &at, &cause) != FrameEnd::kFrame) {
    return absl::DataLossError(absl::StrCat(path, ": ", cause));
  }
  std::string out(bytes.substr(0, at));
  out.reserve(bytes.size());
  uint64_t index = header.first_block();
  while (at < bytes.size()) {
    FrameView frame{};
    const FrameEnd end = ParseFrame(bytes.substr(at), &frame, &cause);
    if (end == FrameEnd::kBad) {
      return absl::DataLossError(absl::StrCat(path, ": byte ", at, ": ", cause));
    }
    // A torn tail is copied as it is.
    if (end == FrameEnd::kNeedMore) frame.size = bytes.size() - at;
    const bool block = end == FrameEnd::kFrame &&
                       (frame.type == FrameType::kBlock || frame.type == FrameType::kRedacted);
    if (block && frame.type == FrameType::kBlock && hidden.contains(index)) {
      ASSIGN_OR_RETURN(const std::string redacted, Redacted(frame.body));
      out += redacted;
      ++summary->redacted;
    } else {
      absl::StrAppend(&out, bytes.substr(at, frame.size));
    }
    if (block) ++index;
    at += frame.size;
  }
  summary->blocks += index - header.first_block();
  ++summary->segments;
  return out;
}

absl::Status CopyFile(const std::string& from, const std::string& to, const std::string& name) {
  struct stat st;
  const std::string path = absl::StrCat(from, "/", name);
  if (::lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxNoteBytes + 256));
  return WriteFileDurably(Io::Real(), to, name, bytes, 0440);
}

absl::Status CopyReceipts(const std::string& from, const std::string& to) {
  const auto names = ListDirectory(from);
  if (!names.ok() || names->empty()) return absl::OkStatus();
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), to, 0750));
  for (size_t i = 0; i < std::min(names->size(), kMaxReceipts); ++i) {
    if ((*names)[i][0] != '.') RETURN_IF_ERROR(CopyFile(from, to, (*names)[i]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExportSummary> ExportLog(const std::string& from, const std::string& to,
                                        const ExportOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(from));
  if (segments.empty()) return absl::NotFoundError(absl::StrCat(from, ": no segments (*.seg)"));
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), to, 0750));
  ASSIGN_OR_RETURN(const std::vector<std::string> there, ListDirectory(to));
  if (!there.empty()) return absl::AlreadyExistsError(absl::StrCat(to, ": not empty"));
  uint64_t total = 0;
  for (const SegmentInfo& segment : segments) total += segment.valid_bytes;
  ExportSummary summary;
  uint64_t done = 0;
  for (const SegmentInfo& segment : segments) {
    ASSIGN_OR_RETURN(const BlockSet hidden, BlocksToHide(segment.path, options.hide));
    ASSIGN_OR_RETURN(std::string bytes, ReadFile(segment.path, kMaxSegmentBytes));
    if (bytes.size() > segment.valid_bytes) bytes.resize(segment.valid_bytes);
    ASSIGN_OR_RETURN(const std::string copy, Redact(bytes, segment.path, hidden, &summary));
    RETURN_IF_ERROR(WriteFileDurably(Io::Real(), to, SegmentName(segment.epoch), copy, 0440));
    done += segment.valid_bytes;
    if (options.progress) options.progress(done, total);
  }
  RETURN_IF_ERROR(CopyFile(from, to, kCheckpointFile));
  RETURN_IF_ERROR(CopyFile(from, to, kKeyFile));
  RETURN_IF_ERROR(
      CopyReceipts(absl::StrCat(from, "/", kReceiptsDir), absl::StrCat(to, "/", kReceiptsDir)));
  return summary;
}

}  // namespace cairn::ledger
