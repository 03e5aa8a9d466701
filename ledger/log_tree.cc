#include "ledger/log_tree.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/format.h"
#include "ledger/leaf_hash.h"
#include "ledger/open_segment.h"

namespace cairn::ledger {
namespace {

constexpr size_t kReadBytes = 1 << 20;

absl::Status Damaged(const SegmentInfo& info, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(info.path, ": ", what, "; run `cairn verify`"));
}

// Adds the blocks among the whole frames at the start of `bytes` to `frames`; `used` says how far
// those go. The segment's header comes first where it is not `header_seen` yet. False: what follows
// is neither, because of `cause`.
bool TakeBlocks(absl::string_view bytes, bool* header_seen, std::vector<FrameView>* frames,
                size_t* used, std::string* cause) {
  if (!*header_seen) {
    SegmentHeader header;
    size_t size = 0;
    const FrameEnd end = ParseHeader(bytes, &header, &size, cause);
    if (end != FrameEnd::kFrame) return end == FrameEnd::kNeedMore;
    *used = size;
    *header_seen = true;
  }
  for (;;) {
    FrameView frame{};
    const FrameEnd end = ParseFrame(bytes.substr(*used), &frame, cause);
    if (end != FrameEnd::kFrame) return end == FrameEnd::kNeedMore;
    if (frame.type == FrameType::kBlock && frame.body.size() <= kTagBytes) {
      *cause = "a block without bytes";
      return false;
    }
    if (frame.type == FrameType::kBlock || frame.type == FrameType::kRedacted) {
      frames->push_back(frame);
    }
    *used += frame.size;
  }
}

absl::string_view Stored(const FrameView& block) { return block.body.substr(kTagBytes); }

// Whether the block, or what an exported copy has in its place, holds record `sequence`.
absl::StatusOr<bool> Holds(const FrameView& frame, uint64_t sequence) {
  BlockHead head;
  if (frame.type == FrameType::kRedacted) {
    ASSIGN_OR_RETURN(const RedactedBlock redacted, ParseRedacted(frame.body));
    head.first_sequence = redacted.first_sequence;
    head.record_count = redacted.count;
  } else {
    RETURN_IF_ERROR(ParseBlockHead(Stored(frame), &head));
  }
  return head.first_sequence <= sequence && sequence - head.first_sequence < head.record_count;
}

absl::Status AddLeaves(absl::Span<const FrameView> frames, std::vector<Hash>* leaves) {
  std::vector<absl::string_view> run;
  const auto hash_run = [&run, leaves] {
    leaves->resize(leaves->size() + run.size());
    LeafHashes(run, leaves->data() + leaves->size() - run.size());
    run.clear();
  };
  for (const FrameView& frame : frames) {
    if (frame.type == FrameType::kBlock) {
      run.push_back(Stored(frame));
      continue;
    }
    ASSIGN_OR_RETURN(const RedactedBlock redacted, ParseRedacted(frame.body));
    hash_run();
    leaves->push_back(redacted.leaf);
  }
  hash_run();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogTree> LogTree::Open(const std::string& dir, Progress progress) {
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(dir));
  if (segments.empty()) return absl::NotFoundError(absl::StrCat(dir, ": no segments"));
  LogTree tree(std::move(progress));
  uint64_t log_bytes = 0;
  uint64_t largest = 0;
  for (const SegmentInfo& info : segments) {
    RETURN_IF_ERROR(tree.AddSegment(info));
    log_bytes += info.valid_bytes;
    largest = std::max(largest, info.valid_bytes);
  }
  // The record's own segment twice, and one for each doubling at either edge of what is proven.
  tree.total_bytes_ =
      std::min(2 * log_bytes, largest * (2 + 2 * uint64_t{std::bit_width(segments.size())}));
  return tree;
}

absl::Status LogTree::AddSegment(const SegmentInfo& info) {
  ASSIGN_OR_RETURN(const SegmentHeader header, ReadHeader(info.path));
  if (!segments_.empty() && (header.first_block() < segments_.back().first_block ||
                             header.first_sequence() < segments_.back().first_sequence)) {
    return Damaged(info, "its header begins before the segment in front of it");
  }
  segments_.push_back({info, header.first_block(), header.first_sequence()});
  uint64_t begin = 0;
  for (int i = 0; i < header.frontier_size(); ++i) {
    const uint64_t end = begin + std::bit_floor(header.first_block() - begin);
    Hash hash;
    std::memcpy(hash.data(), header.frontier(i).data(), hash.size());
    if (known_.try_emplace({begin, end}, hash).first->second != hash) {
      return Damaged(info, absl::StrCat("its header states another root of blocks ", begin, " to ",
                                        end - 1, " than one before it"));
    }
    begin = end;
  }
  return absl::OkStatus();
}

// Hands out all blocks of a segment in order, as many at a time as were read; the views are good
// until `take` returns. One that is cut off at the end is not there yet.
absl::Status LogTree::ReadBlocks(
    const Segment& segment, const std::function<absl::Status(absl::Span<const FrameView>)>& take) {
  ASSIGN_OR_RETURN(const Fd fd, OpenSegment(segment.info.path));
  std::string buffer(kReadBytes + kMaxFrameBody + kFramePrefixBytes, '\0');
  std::vector<FrameView> frames;
  size_t have = 0;
  bool header_seen = false;
  for (uint64_t left = segment.info.valid_bytes; left > 0;) {
    const size_t room = std::min<uint64_t>(left, buffer.size() - have);
    const ssize_t n = ::read(fd.get(), buffer.data() + have, room);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", segment.info.path));
    if (n == 0) break;
    have += static_cast<size_t>(n);
    left -= static_cast<uint64_t>(n);
    size_t used = 0;
    std::string cause;
    frames.clear();
    if (!TakeBlocks({buffer.data(), have}, &header_seen, &frames, &used, &cause)) {
      const uint64_t at = segment.info.valid_bytes - left - have + used;
      return Damaged(segment.info, absl::StrCat("byte ", at, ": ", cause));
    }
    RETURN_IF_ERROR(take(frames));
    have -= used;
    std::memmove(buffer.data(), buffer.data() + used, have);
    done_bytes_ += static_cast<uint64_t>(n);
    if (progress_) progress_(std::min(done_bytes_, total_bytes_), total_bytes_);
  }
  return absl::OkStatus();
}

absl::StatusOr<LogTree::FoundBlock> LogTree::Find(uint64_t sequence) {
  const auto behind = std::upper_bound(
      segments_.begin(), segments_.end(), sequence,
      [](uint64_t wanted, const Segment& segment) { return wanted < segment.first_sequence; });
  FoundBlock found;
  bool redacted = false;
  if (behind != segments_.begin()) {
    uint64_t index = (behind - 1)->first_block;
    RETURN_IF_ERROR(ReadBlocks(*(behind - 1), [&](absl::Span<const FrameView> frames) {
      for (const FrameView& frame : frames) {
        const absl::StatusOr<bool> holds = Holds(frame, sequence);
        if (!holds.ok()) return Damaged((behind - 1)->info, holds.status().message());
        if (*holds) {
          redacted = frame.type == FrameType::kRedacted;
          found = {index, std::string(redacted ? "" : Stored(frame))};
        }
        ++index;
      }
      return absl::OkStatus();
    }));
  }
  if (redacted) {
    return absl::FailedPreconditionError(absl::StrCat("record ", sequence, " is redacted here"));
  }
  if (found.stored.empty()) return absl::NotFoundError(absl::StrCat("no record ", sequence));
  return found;
}

absl::StatusOr<absl::Span<const Hash>> LogTree::LeavesOf(size_t segment) {
  const auto [entry, fresh] = leaves_.try_emplace(segment);
  std::vector<Hash>* const leaves = &entry->second;
  if (fresh) {
    RETURN_IF_ERROR(ReadBlocks(segments_[segment], [leaves](absl::Span<const FrameView> frames) {
      return AddLeaves(frames, leaves);
    }));
  }
  return absl::MakeConstSpan(*leaves);
}

absl::StatusOr<Hash> LogTree::Root(const LeafRange& range) {
  const auto known = known_.find({range.begin, range.end});
  if (known != known_.end()) return known->second;
  const auto behind = std::upper_bound(
      segments_.begin(), segments_.end(), range.begin,
      [](uint64_t block, const Segment& segment) { return block < segment.first_block; });
  const bool here = behind != segments_.begin();
  if (here && (behind == segments_.end() || range.end <= behind->first_block)) {
    const Segment& segment = *(behind - 1);
    ASSIGN_OR_RETURN(const absl::Span<const Hash> leaves,
                     LeavesOf(static_cast<size_t>(behind - segments_.begin() - 1)));
    if (range.end - segment.first_block > leaves.size()) {
      return Damaged(segment.info,
                     absl::StrCat("its blocks end with ", segment.first_block + leaves.size(),
                                  ", not ", range.end));
    }
    return RangeRoot(leaves.subspan(range.begin - segment.first_block, range.end - range.begin));
  }
  if (range.end - range.begin == 1) {
    return absl::NotFoundError(absl::StrCat("the proof needs block ", range.begin,
                                            ", and the log's beginning is no longer here"));
  }
  const uint64_t middle = SplitPoint(range);
  ASSIGN_OR_RETURN(const Hash left, Root({range.begin, middle}));
  ASSIGN_OR_RETURN(const Hash right, Root({middle, range.end}));
  return NodeHash(left, right);
}

absl::StatusOr<std::vector<Hash>> LogTree::Roots(absl::Span<const LeafRange> ranges) {
  std::vector<Hash> roots;
  for (const LeafRange& range : ranges) {
    ASSIGN_OR_RETURN(roots.emplace_back(), Root(range));
  }
  return roots;
}

}  // namespace cairn::ledger
