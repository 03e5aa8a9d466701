#include "ledger/stream_verifier.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/format.h"
#include "ledger/leaf_hash.h"
#include "ledger/stream_verifier_impl.h"

namespace cairn::ledger {

absl::Status StreamVerifier::Impl::Fail(absl::string_view code, absl::string_view detail,
                                        uint64_t from_block, uint64_t from_sequence) {
  Finding finding;
  finding.code = std::string(code);
  finding.block = from_block;
  finding.end_block = std::max(state_.size, from_block + 1);
  finding.first_sequence = from_sequence;
  finding.end_sequence = std::max(state_.next_sequence, from_sequence + 1);
  finding.file = file_;
  finding.offset = offset_;
  finding.detail = std::string(detail);
  finding_ = finding;
  return absl::DataLossError(finding.ToString());
}

absl::Status StreamVerifier::Impl::FailHere(absl::string_view code, absl::string_view detail) {
  return Fail(code, detail, state_.size, state_.next_sequence);
}

absl::Status StreamVerifier::Impl::FailFrame(const FrameView& frame, absl::string_view behind,
                                             absl::string_view cause) {
  const absl::Status failed = FailHere("frame", cause);
  FrameView next;
  std::string ignored;
  if (frame.size == 0 || frame.type != FrameType::kBlock) return failed;
  if (ParseFrame(behind, &next, &ignored) != FrameEnd::kFrame) return failed;
  BlockHead head;
  if (next.type != FrameType::kBlock || next.body.size() <= kTagBytes ||
      !ParseBlockHead(next.body.substr(kTagBytes), &head).ok()) {
    return failed;
  }
  finding_->end_sequence = std::max(finding_->end_sequence, head.first_sequence);
  return absl::DataLossError(finding_->ToString());
}

absl::Status StreamVerifier::Impl::FailSinceCheckpoint(absl::string_view code,
                                                       absl::string_view detail) {
  return Fail(code, detail, std::max(checkpointed_, header_.first_block()),
              std::max(checkpointed_sequence_, header_.first_sequence()));
}

absl::Status StreamVerifier::Impl::BeginSegment(absl::string_view file) {
  if (finding_.has_value()) return absl::DataLossError(finding_->ToString());
  if (header_seen_ && !sealed_) ++state_.next_epoch;
  had_segment_ = had_segment_ || header_seen_;
  previous_ = End();
  announced_key_.clear();
  tag_key_.reset();
  tag_start_ = {};
  file_ = std::string(file);
  buffer_.clear();
  commits_.clear();
  close_reason_.clear();
  offset_ = durable_offset_ = epoch_records_ = 0;
  header_seen_ = opened_ = sealed_ = redacted_ = false;
  return absl::OkStatus();
}

// Whole frames are taken from the caller's bytes; only a cut one is copied, up to its end.
absl::Status StreamVerifier::Impl::Feed(absl::string_view bytes) {
  if (finding_.has_value()) return absl::DataLossError(finding_->ToString());
  while (!buffer_.empty() && !bytes.empty()) {
    const size_t missing = std::min(bytes.size(), wanted_ - buffer_.size());
    buffer_.append(bytes.data(), missing);
    bytes.remove_prefix(missing);
    ASSIGN_OR_RETURN(const bool taken, TakeFirst(buffer_, bytes));
    if (taken) buffer_.clear();
  }
  ahead_.clear();
  while (!bytes.empty()) {
    if (ahead_.empty() && header_seen_) HashAhead(bytes);
    ASSIGN_OR_RETURN(const bool taken, TakeFirst(bytes, ""));
    if (!taken) break;
    bytes.remove_prefix(wanted_);
  }
  if (!bytes.empty()) buffer_.assign(bytes.data(), bytes.size());
  return absl::OkStatus();
}

// Hashes the next few blocks side by side, as far as they follow each other. Nothing about them is
// checked yet.
void StreamVerifier::Impl::HashAhead(absl::string_view bytes) {
  absl::string_view blocks[kHashLanes];
  Hash leaves[kHashLanes];
  size_t count = 0;
  FrameView frame{};
  for (; count < kHashLanes && PeekFrame(bytes, &frame); bytes.remove_prefix(frame.size)) {
    if (frame.type != FrameType::kBlock || frame.body.size() <= kTagBytes) break;
    blocks[count++] = frame.body.substr(kTagBytes);
  }
  LeafHashes(absl::MakeConstSpan(blocks, count), leaves);
  for (size_t i = 0; i < count; ++i) ahead_.push_back({blocks[i].data(), leaves[i]});
}

Hash StreamVerifier::Impl::LeafOf(absl::string_view stored) {
  if (ahead_.empty() || ahead_.front().stored != stored.data()) return LeafHash(stored);
  const Hash leaf = ahead_.front().leaf;
  ahead_.pop_front();
  return leaf;
}

absl::StatusOr<bool> StreamVerifier::Impl::TakeFirst(absl::string_view bytes,
                                                     absl::string_view behind) {
  FrameView frame{};
  std::string cause;
  if (!header_seen_) {
    const FrameEnd end = ParseHeader(bytes, &header_, &wanted_, &cause);
    if (end == FrameEnd::kBad) return FailHere("header", cause);
    if (end == FrameEnd::kNeedMore) return false;
    RETURN_IF_ERROR(TakeHeader(bytes.substr(0, wanted_)));
  } else {
    const FrameEnd end = ParseFrame(bytes, &frame, &cause);
    if (bytes.size() > frame.size) behind = bytes.substr(frame.size);
    if (end == FrameEnd::kBad) return FailFrame(frame, behind, cause);
    wanted_ = frame.size;
    if (end == FrameEnd::kNeedMore) return false;
    if (sealed_) return FailHere("trailing", "bytes after the seal");
    RETURN_IF_ERROR(TakeFrame(frame));
  }
  offset_ += wanted_;
  return true;
}

absl::Status StreamVerifier::Impl::EndSegment() {
  if (finding_.has_value()) return absl::DataLossError(finding_->ToString());
  if (buffer_.empty() && header_seen_) return absl::OkStatus();
  return FailHere("torn", absl::StrCat("the segment ends within a frame, ", buffer_.size(),
                                       " bytes after its start"));
}

absl::Status StreamVerifier::Impl::TakeHeader(absl::string_view bytes) {
  header_hash_ = Sha256({bytes});
  header_seen_ = true;
  if (!known_start_) {
    state_ = LogState::Claimed(header_);
    known_start_ = true;
    checkpointed_ = state_.size;
    checkpointed_sequence_ = state_.next_sequence;
  }
  epoch_first_ = header_.first_block() + header_.carried_blocks();
  return CheckHeader();
}

absl::Status StreamVerifier::Impl::CheckHeader() {
  if (options_.log_key.has_value() && header_.origin() != options_.log_key->name) {
    return FailHere("origin", absl::StrCat("the segment is of log '", header_.origin(), "', not '",
                                           options_.log_key->name, "'"));
  }
  SegmentEnd before = previous_;
  before.state = state_;
  if (!had_segment_) {
    // How the segment before ended is not known here; where the log stood is.
    before.sealed = SaysSealed(header_);
    before.bytes = header_.previous_valid_bytes();
  }
  const std::optional<Mismatch> mismatch = CheckLink(before, header_);
  if (mismatch.has_value()) return FailHere(mismatch->code, mismatch->detail);
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeFrame(const FrameView& frame) {
  switch (frame.type) {
    case FrameType::kBlock:
      return TakeBlock(frame.body);
    case FrameType::kCommit:
      return TakeCommit(frame.body);
    case FrameType::kCheckpoint:
      return TakeCheckpoint(frame.body);
    case FrameType::kSeal:
      return TakeSeal(frame.body);
    case FrameType::kRedacted:
      return TakeRedacted(frame.body);
  }
  return FailHere("frame", "frame of an unknown type");
}

StreamVerifier::StreamVerifier(StreamOptions options, std::optional<LogState> from)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(from))) {}
StreamVerifier::~StreamVerifier() = default;
absl::Status StreamVerifier::BeginSegment(absl::string_view file) {
  return impl_->BeginSegment(file);
}
absl::Status StreamVerifier::Feed(absl::string_view bytes) { return impl_->Feed(bytes); }
absl::Status StreamVerifier::EndSegment() { return impl_->EndSegment(); }
const Finding* StreamVerifier::finding() const {
  return impl_->finding_.has_value() ? &*impl_->finding_ : nullptr;
}
const LogState& StreamVerifier::state() const { return impl_->state_; }
const SegmentHeader& StreamVerifier::header() const { return impl_->header_; }
uint64_t StreamVerifier::offset() const { return impl_->offset_; }
bool StreamVerifier::header_seen() const { return impl_->header_seen_; }
bool StreamVerifier::opened() const { return impl_->opened_; }
bool StreamVerifier::sealed() const { return impl_->sealed_; }
uint64_t StreamVerifier::checkpointed() const { return impl_->checkpointed_; }
uint64_t StreamVerifier::durable_offset() const { return impl_->durable_offset_; }
uint64_t StreamVerifier::urgent_blocks() const { return impl_->urgent_blocks_; }
uint64_t StreamVerifier::tags_checked() const { return impl_->tags_checked_; }
uint64_t StreamVerifier::last_wall_ns() const { return impl_->last_wall_ns_; }
const std::string& StreamVerifier::epoch_key() const { return impl_->epoch_key_; }
SegmentEnd StreamVerifier::end() const { return impl_->End(); }
const std::string& StreamVerifier::close_reason() const { return impl_->close_reason_; }
TagStart StreamVerifier::TakeTagStart() { return std::move(impl_->tag_start_); }
std::optional<RunningTagKey> StreamVerifier::TakeTagKey() {
  if (!impl_->tag_key_.has_value()) return std::nullopt;
  return RunningTagKey{*std::move(impl_->tag_key_), impl_->header_.epoch()};
}

}  // namespace cairn::ledger
