#include "ledger/stream_verifier.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/format.h"
#include "ledger/frame.h"
#include "ledger/hpke.h"

namespace cairn::ledger {

std::string Finding::ToString() const {
  std::string out = code;
  if (end_block > block + 1) {
    absl::StrAppend(&out, " blocks ", block, "-", end_block - 1);
  } else {
    absl::StrAppend(&out, " block ", block);
  }
  if (end_sequence > first_sequence + 1) {
    absl::StrAppend(&out, " records ", first_sequence, "-", end_sequence - 1);
  } else {
    absl::StrAppend(&out, " record ", first_sequence);
  }
  return absl::StrCat(out, ": ", file, ": byte ", offset, ": ", detail);
}

LogState LogState::Beginning(absl::string_view origin) {
  LogState state;
  state.origin = std::string(origin);
  state.chain = ChainOrigin(origin);
  return state;
}

LogState LogState::Claimed(const SegmentHeader& header) {
  LogState state;
  state.origin = header.origin();
  state.size = header.first_block();
  state.next_sequence = header.first_sequence();
  state.next_epoch = header.epoch();
  std::memcpy(state.chain.data(), header.chain().data(), kHashBytes);
  state.frontier =
      Frontier::Restore(header.first_block(), {header.frontier().begin(), header.frontier().end()})
          .value();
  return state;
}

namespace {

bool SaysSealed(const SegmentHeader& header) {
  return header.previous_end() == "sealed" || header.previous_end() == "interrupted";
}

}  // namespace

bool KeyAsAnnounced(const SegmentEnd& before, const SegmentHeader& header,
                    absl::string_view epoch_key) {
  return header.previous_end() != "sealed" || before.announced_key.empty() ||
         before.announced_key == epoch_key;
}

std::optional<Mismatch> CheckLink(const SegmentEnd& before, const SegmentHeader& header) {
  const LogState& state = before.state;
  if (header.origin() != state.origin) {
    return Mismatch{"origin", absl::StrCat("the segment is of log '", header.origin(), "', not '",
                                           state.origin, "'")};
  }
  if (header.epoch() != state.next_epoch) {
    return Mismatch{"gap", absl::StrCat("epoch ", header.epoch(), " stands where epoch ",
                                        state.next_epoch, " should")};
  }
  const LogState claimed = LogState::Claimed(header);
  if (claimed.size != state.size || claimed.next_sequence != state.next_sequence ||
      claimed.chain != state.chain || claimed.frontier.hashes() != state.frontier.hashes()) {
    return Mismatch{"splice", "the header does not continue the log before it"};
  }
  const bool says_sealed = SaysSealed(header);
  if (says_sealed && !before.sealed) {
    return Mismatch{"unsealed", "the epoch before was sealed, but its seal is missing"};
  }
  if (!says_sealed && before.sealed) {
    return Mismatch{"unsealed", "the epoch before is sealed, but the header denies it"};
  }
  if (header.previous_valid_bytes() != before.bytes) {
    return Mismatch{"cut",
                    absl::StrCat("the segment before has ", before.bytes,
                                 " good bytes, the header says ", header.previous_valid_bytes())};
  }
  return std::nullopt;
}

class StreamVerifier::Impl {
 public:
  Impl(StreamOptions options, std::optional<LogState> from)
      : options_(std::move(options)), known_start_(from.has_value()) {
    if (from.has_value()) state_ = *std::move(from);
  }

  absl::Status BeginSegment(absl::string_view file);
  absl::Status Feed(absl::string_view bytes);
  absl::Status EndSegment();
  SegmentEnd End() const {
    SegmentEnd end;
    end.state = state_;
    if (header_seen_ && !sealed_) ++end.state.next_epoch;
    end.sealed = sealed_;
    end.bytes = offset_;
    end.announced_key = announced_key_;
    return end;
  }

  StreamOptions options_;
  LogState state_;
  SegmentHeader header_;
  std::optional<Finding> finding_;
  std::string file_;
  std::string buffer_;  // an incomplete frame
  uint64_t offset_ = 0;
  uint64_t checkpointed_ = 0;
  uint64_t durable_offset_ = 0;
  uint64_t last_wall_ns_ = 0;
  uint64_t tags_checked_ = 0;
  uint64_t redacted_ = 0;
  std::string close_reason_;
  std::string announced_key_;
  std::string epoch_key_;
  bool header_seen_ = false;
  bool opened_ = false;
  bool sealed_ = false;

 private:
  struct CommittedRoot {
    uint64_t size;
    uint64_t next_sequence;
    Hash root;
  };

  absl::Status Fail(absl::string_view code, absl::string_view detail, uint64_t from_block,
                    uint64_t from_sequence);
  // The next block is at fault.
  absl::Status FailHere(absl::string_view code, absl::string_view detail);
  // The frame at the start of `rest` is bad: says which records it held, as far as the block
  // behind it tells.
  absl::Status FailFrame(absl::string_view rest, const FrameView& frame, absl::string_view cause);
  // Something since the last good checkpoint is at fault.
  absl::Status FailSinceCheckpoint(absl::string_view code, absl::string_view detail);

  absl::Status TakeHeader(absl::string_view bytes, size_t* used);
  absl::Status CheckHeader();
  absl::Status TakeFrame(const FrameView& frame);
  absl::Status TakeBlock(absl::string_view body);
  absl::Status TakeUrgentBlock(absl::string_view stored);
  absl::Status TakeOpen(const EpochOpen& open);
  absl::Status OpenTagKey(const EpochOpen& open);
  absl::Status CheckTag(absl::string_view tag);
  absl::Status TakeRedacted(absl::string_view body);
  absl::Status TakeCommit(absl::string_view body);
  absl::Status TakeCheckpoint(absl::string_view body);
  absl::Status CheckSignatures(const Note& note);
  absl::Status TakeSeal(absl::string_view body);
  void Extend(const Hash& leaf, uint64_t records);

  bool known_start_;  // state_ is where the next segment must begin
  Hash header_hash_{};
  std::optional<TagKey> tag_key_;  // of the next block
  uint64_t epoch_first_ = 0;       // index of the epoch_open block
  uint64_t epoch_records_ = 0;
  uint64_t checkpointed_sequence_ = 0;
  bool had_segment_ = false;
  SegmentEnd previous_;
  std::deque<CommittedRoot> commits_;
};

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

absl::Status StreamVerifier::Impl::FailFrame(absl::string_view rest, const FrameView& frame,
                                             absl::string_view cause) {
  const absl::Status failed = FailHere("frame", cause);
  FrameView next;
  std::string ignored;
  if (frame.size == 0 || frame.type != FrameType::kBlock) return failed;
  if (ParseFrame(rest.substr(frame.size), &next, &ignored) != FrameEnd::kFrame) return failed;
  Block head;
  if (next.type != FrameType::kBlock || next.body.size() <= kTagBytes ||
      !ParseBlockHead(next.body.substr(kTagBytes), &head).ok()) {
    return failed;
  }
  finding_->end_sequence = std::max(finding_->end_sequence, head.first_sequence());
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
  file_ = std::string(file);
  buffer_.clear();
  commits_.clear();
  close_reason_.clear();
  offset_ = durable_offset_ = epoch_records_ = 0;
  header_seen_ = opened_ = sealed_ = false;
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::Feed(absl::string_view bytes) {
  if (finding_.has_value()) return absl::DataLossError(finding_->ToString());
  // Whole frames are taken from the caller's bytes; only a cut one is copied.
  const bool buffered = !buffer_.empty();
  if (buffered) buffer_.append(bytes.data(), bytes.size());
  absl::string_view rest = buffered ? absl::string_view(buffer_) : bytes;
  while (!rest.empty()) {
    if (!header_seen_) {
      size_t used = 0;
      RETURN_IF_ERROR(TakeHeader(rest, &used));
      if (used == 0) break;
      rest.remove_prefix(used);
      offset_ += used;
      continue;
    }
    FrameView frame{};
    std::string cause;
    const FrameEnd end = ParseFrame(rest, &frame, &cause);
    if (end == FrameEnd::kNeedMore) break;
    if (end == FrameEnd::kBad) return FailFrame(rest, frame, cause);
    if (sealed_) return FailHere("trailing", "bytes after the seal");
    RETURN_IF_ERROR(TakeFrame(frame));
    rest.remove_prefix(frame.size);
    offset_ += frame.size;
  }
  if (buffered) {
    buffer_.erase(0, buffer_.size() - rest.size());
  } else {
    buffer_.assign(rest.data(), rest.size());
  }
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::EndSegment() {
  if (finding_.has_value()) return absl::DataLossError(finding_->ToString());
  if (buffer_.empty() && header_seen_) return absl::OkStatus();
  return FailHere("torn", absl::StrCat("the segment ends within a frame, ", buffer_.size(),
                                       " bytes after its start"));
}

absl::Status StreamVerifier::Impl::TakeHeader(absl::string_view bytes, size_t* used) {
  std::string cause;
  const FrameEnd end = ParseHeader(bytes, &header_, used, &cause);
  if (end == FrameEnd::kNeedMore) {
    *used = 0;
    return absl::OkStatus();
  }
  if (end == FrameEnd::kBad) return FailHere("header", cause);
  header_hash_ = Sha256({bytes.substr(0, *used)});
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

void StreamVerifier::Impl::Extend(const Hash& leaf, uint64_t records) {
  state_.chain = ChainNext(state_.chain, state_.size, leaf);
  state_.frontier.Add(leaf);
  if (state_.size >= epoch_first_) epoch_records_ += records;
  ++state_.size;
  state_.next_sequence += records;
}

absl::Status StreamVerifier::Impl::TakeBlock(absl::string_view body) {
  if (body.size() <= kTagBytes) return FailHere("block", "a block without bytes");
  const absl::string_view tag = body.substr(0, kTagBytes);
  const absl::string_view stored = body.substr(kTagBytes);
  Block head;
  if (const absl::Status parsed = ParseBlockHead(stored, &head); !parsed.ok()) {
    return FailHere("block", parsed.message());
  }
  if (head.record_count() == 0) return FailHere("block", "a block without records");
  if (head.first_sequence() != state_.next_sequence) {
    return FailHere("sequence", absl::StrCat("the block begins with record ", head.first_sequence(),
                                             ", not ", state_.next_sequence));
  }
  if (!close_reason_.empty()) return FailHere("closed", "a block after the epoch's close");
  const uint64_t index = state_.size;
  if (index == epoch_first_ || (head.flags() & kBlockUrgent) != 0) {
    RETURN_IF_ERROR(TakeUrgentBlock(stored));
  }
  last_wall_ns_ = head.last_time_ns() + static_cast<uint64_t>(head.wall_offset_ns());
  Extend(LeafHash(stored), head.record_count());
  RETURN_IF_ERROR(CheckTag(tag));
  if (options_.on_block) options_.on_block(index, tag, stored);
  return absl::OkStatus();
}

// Openings and closings of epochs stand alone in urgent blocks.
absl::Status StreamVerifier::Impl::TakeUrgentBlock(absl::string_view stored) {
  Block block;
  if (const absl::Status parsed = ParseBlock(stored, &block); !parsed.ok()) {
    return FailHere("block", parsed.message());
  }
  const EventType type = block.records(0).type();
  if (state_.size == epoch_first_) {
    if (type != AGENT_EPOCH_OPEN)
      return FailHere("open", "the epoch's first block does not open it");
    return TakeOpen(block.records(0).epoch_open());
  }
  if (type == AGENT_EPOCH_OPEN && state_.size > epoch_first_) {
    return FailHere("open", "the epoch is opened twice");
  }
  if (type == AGENT_EPOCH_CLOSE && state_.size > epoch_first_) {
    const EpochClose& close = block.records(0).epoch_close();
    close_reason_ = close.reason().empty() ? "unknown" : close.reason();
    announced_key_ = close.next_public_key();
    if (close.epoch() != header_.epoch()) return FailHere("close", "the close is of another epoch");
  }
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeOpen(const EpochOpen& open) {
  const Hash root = state_.frontier.Root();
  if (open.epoch() != header_.epoch() || open.public_key().size() != 32 ||
      open.header_hash() != View(header_hash_) || open.size() != state_.size ||
      open.root() != View(root) || open.chain() != View(state_.chain)) {
    return FailHere("open", "the epoch's opening does not fit its header and the log before it");
  }
  if (!KeyAsAnnounced(previous_, header_, open.public_key())) {
    return FailHere("open", "the epoch's key is not the one the epoch before announced");
  }
  epoch_key_ = open.public_key();
  opened_ = true;
  RETURN_IF_ERROR(OpenTagKey(open));
  if (options_.on_epoch) options_.on_epoch(header_, open, state_.size);
  return absl::OkStatus();
}

// K_s of this epoch, sealed to our recipient; it must be what the opening commits to.
absl::Status StreamVerifier::Impl::OpenTagKey(const EpochOpen& open) {
  if (options_.recipient_key == nullptr) return absl::OkStatus();
  const std::string recipient = X25519PublicKey(*options_.recipient_key);
  const std::string info =
      SealedKeyInfo(state_.origin, open.epoch(), state_.size, open.public_key());
  for (const SealedKey& sealed : open.sealed_keys()) {
    if (sealed.recipient() != recipient) continue;
    absl::StatusOr<std::string> key =
        HpkeOpen(*options_.recipient_key, {sealed.encapsulated(), sealed.ciphertext()}, {info, ""});
    if (!key.ok() || key->size() != Secret32::kSize) {
      return FailHere("sealed-key", "the epoch's tag key does not open for this recipient");
    }
    tag_key_.emplace(Secret32(reinterpret_cast<const uint8_t*>(key->data())));
    Wipe(key->data(), key->size());
    if (open.key_commitment() != View(tag_key_->Commitment())) {
      return FailHere("sealed-key", "the epoch's sealed tag key is not the one it committed to");
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();  // not a recipient of this epoch
}

// Of the block that was just added.
absl::Status StreamVerifier::Impl::CheckTag(absl::string_view tag) {
  if (!tag_key_.has_value()) return absl::OkStatus();
  const Tag want = tag_key_->TagAndEvolve(state_.chain);
  if (tag != absl::string_view(reinterpret_cast<const char*>(want.data()), want.size())) {
    --state_.size;
    const absl::Status failed = FailHere("tag", "the block's tag is not by the key of its time");
    ++state_.size;
    return failed;
  }
  ++tags_checked_;
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeRedacted(absl::string_view body) {
  if (!options_.allow_redacted) {
    return FailHere("redacted", "a redacted block: this is an exported copy, not the log");
  }
  const absl::StatusOr<RedactedBlock> redacted = ParseRedacted(body);
  if (!redacted.ok()) return FailHere("redacted", redacted.status().message());
  if (redacted->first_sequence != state_.next_sequence || redacted->count == 0) {
    return FailHere("sequence", "a redacted block is out of order");
  }
  Extend(redacted->leaf, redacted->count);
  ++redacted_;
  RETURN_IF_ERROR(CheckTag(body.substr(kHashBytes, kTagBytes)));
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeCommit(absl::string_view body) {
  const absl::StatusOr<Commit> commit = ParseCommit(body);
  if (!commit.ok()) return FailHere("commit", commit.status().message());
  if (commit->size != state_.size) {
    return FailSinceCheckpoint(
        "commit", absl::StrCat("COMMIT of ", commit->size, " blocks stands behind ", state_.size));
  }
  if (commit->chain != state_.chain) {
    return FailSinceCheckpoint("chain", "the blocks do not hash to the chain value of the COMMIT");
  }
  if (commit->durable_offset > offset_) {
    return FailHere("commit", "a COMMIT states more durable bytes than stand before it");
  }
  durable_offset_ = std::max(durable_offset_, commit->durable_offset);
  commits_.push_back({state_.size, state_.next_sequence, state_.frontier.Root()});
  if (commits_.size() > kCommitWindow) commits_.pop_front();
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeCheckpoint(absl::string_view body) {
  const absl::StatusOr<Note> note = Note::Parse(body);
  if (!note.ok()) return FailHere("checkpoint", note.status().message());
  const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return FailHere("checkpoint", checkpoint.status().message());
  if (checkpoint->origin != state_.origin) {
    return FailHere("checkpoint", "a checkpoint of another log");
  }
  const auto commit = std::find_if(commits_.begin(), commits_.end(), [&](const CommittedRoot& c) {
    return c.size == checkpoint->size;
  });
  if (commit == commits_.end()) {
    return FailSinceCheckpoint("checkpoint", absl::StrCat("a checkpoint of ", checkpoint->size,
                                                          " blocks follows no such COMMIT"));
  }
  if (!opened_ || checkpoint->size <= epoch_first_ || checkpoint->size < checkpointed_) {
    return FailHere("checkpoint", "a checkpoint of a size outside its epoch");
  }
  if (checkpoint->root != View(commit->root)) {
    return FailSinceCheckpoint("root", "the blocks do not hash to the root of the checkpoint");
  }
  RETURN_IF_ERROR(CheckSignatures(*note));
  checkpointed_ = checkpoint->size;
  checkpointed_sequence_ = commit->next_sequence;
  commits_.erase(commits_.begin(), commit);
  if (options_.on_checkpoint) options_.on_checkpoint(*checkpoint, body);
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::CheckSignatures(const Note& note) {
  VerifierKey epoch_key;
  epoch_key.name = absl::StrCat(state_.origin, "/e/", header_.epoch());
  epoch_key.public_key = epoch_key_;
  if (CheckNote(note, epoch_key) != NoteCheck::kValid) {
    return FailSinceCheckpoint("signature",
                               "the checkpoint lacks a good signature by its epoch's key");
  }
  if (options_.log_key.has_value() && CheckNote(note, *options_.log_key) != NoteCheck::kValid) {
    return FailSinceCheckpoint("signature",
                               "the checkpoint lacks a good signature by the log's key");
  }
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeSeal(absl::string_view body) {
  const absl::StatusOr<Seal> seal = ParseSeal(body);
  if (!seal.ok()) return FailHere("seal", seal.status().message());
  if (close_reason_.empty()) return FailHere("seal", "a seal without the epoch's close");
  if (checkpointed_ != state_.size) {
    return FailSinceCheckpoint("seal", "the seal's checkpoint is not of exactly its size");
  }
  if (seal->size != state_.size || seal->chain != state_.chain ||
      seal->header_hash != header_hash_ || seal->blocks != state_.size - epoch_first_ ||
      seal->records != epoch_records_) {
    return FailSinceCheckpoint("seal", "the seal does not fit the segment");
  }
  if (!VerifySignature(epoch_key_, SealedText(*seal, state_.origin, header_.epoch()),
                       seal->signature)) {
    return FailSinceCheckpoint("seal", "the seal's signature is not by its epoch's key");
  }
  sealed_ = true;
  ++state_.next_epoch;
  return absl::OkStatus();
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
uint64_t StreamVerifier::redacted() const { return impl_->redacted_; }
uint64_t StreamVerifier::tags_checked() const { return impl_->tags_checked_; }
uint64_t StreamVerifier::last_wall_ns() const { return impl_->last_wall_ns_; }
const std::string& StreamVerifier::epoch_key() const { return impl_->epoch_key_; }
SegmentEnd StreamVerifier::end() const { return impl_->End(); }
const std::string& StreamVerifier::close_reason() const { return impl_->close_reason_; }

}  // namespace cairn::ledger
