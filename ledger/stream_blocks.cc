// Blocks: in order, each opening and closing its epoch as it should, tagged by the key of its time.
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/format.h"
#include "ledger/hpke.h"
#include "ledger/stream_verifier_impl.h"

namespace cairn::ledger {

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
  BlockHead head;
  if (const absl::Status parsed = ParseBlockHead(stored, &head); !parsed.ok()) {
    return FailHere("block", parsed.message());
  }
  if (head.record_count == 0) return FailHere("block", "a block without records");
  if (head.first_sequence != state_.next_sequence) {
    return FailHere("sequence", absl::StrCat("the block begins with record ", head.first_sequence,
                                             ", not ", state_.next_sequence));
  }
  if (!close_reason_.empty()) return FailHere("closed", "a block after the epoch's close");
  const uint64_t index = state_.size;
  carried_open_.reset();
  if (index == epoch_first_ || (head.flags & kBlockUrgent) != 0) {
    RETURN_IF_ERROR(TakeUrgentBlock(stored));
  } else if (index < epoch_first_) {
    RETURN_IF_ERROR(MayBeCarried(nullptr));
  }
  if ((head.flags & kBlockUrgent) != 0) ++urgent_blocks_;
  last_wall_ns_ = head.last_time_ns + static_cast<uint64_t>(head.wall_offset_ns);
  Extend(LeafOf(stored), head.record_count);
  RETURN_IF_ERROR(CheckTag(index, tag));
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
  for (int i = 0; block.records_size() > 1 && i < block.records_size(); ++i) {
    const EventType each = block.records(i).type();
    if (each == AGENT_EPOCH_OPEN)
      return FailHere("open", "an epoch's opening does not stand alone");
    if (each == AGENT_EPOCH_CLOSE)
      return FailHere("close", "an epoch's close does not stand alone");
  }
  if (state_.size == epoch_first_) {
    if (type != AGENT_EPOCH_OPEN)
      return FailHere("open", "the epoch's first block does not open it");
    return TakeOpen(block.records(0).epoch_open());
  }
  if (state_.size < epoch_first_) {
    RETURN_IF_ERROR(TakeCarried(block.records(0)));
  } else if (type == AGENT_EPOCH_OPEN) {
    return FailHere("open", "the epoch is opened twice");
  } else if (type == AGENT_EPOCH_CLOSE) {
    RETURN_IF_ERROR(TakeClose(block.records(0).epoch_close()));
  }
  for (const Record& record : block.records()) {
    if (record.type() == AGENT_RETENTION && options_.on_retention) {
      options_.on_retention(record.retention(), state_.size);
    }
  }
  return absl::OkStatus();
}

// What was not durable of an abandoned segment; or, where nothing of it was, of the file that had
// this one's number, from its opening on.
absl::Status StreamVerifier::Impl::MayBeCarried(const EpochOpen* open) {
  if (state_.size > header_.first_block() || header_.previous_end() == "storage") {
    return absl::OkStatus();
  }
  if (open != nullptr && open->epoch() == header_.epoch()) return absl::OkStatus();
  return FailHere("open", "blocks are carried over although nothing was abandoned");
}

absl::Status StreamVerifier::Impl::TakeCarried(const Record& record) {
  RETURN_IF_ERROR(MayBeCarried(record.has_epoch_open() ? &record.epoch_open() : nullptr));
  if (record.type() != AGENT_EPOCH_OPEN) return absl::OkStatus();
  const EpochOpen& open = record.epoch_open();
  if (open.epoch() > header_.epoch() || open.size() != state_.size ||
      open.root() != View(state_.frontier.Root()) || open.chain() != View(state_.chain)) {
    return FailHere("open", "a carried opening does not fit the log before it");
  }
  carried_open_ = open.epoch();
  ASSIGN_OR_RETURN(carried_key_, Unseal(open));
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeClose(const EpochClose& close) {
  close_reason_ = close.reason().empty() ? "unknown" : close.reason();
  announced_key_ = close.next_public_key();
  if (close.epoch() != header_.epoch()) return FailHere("close", "the close is of another epoch");
  if (!announced_key_.empty() && announced_key_.size() != 32) {
    return FailHere("close", "the close announces what is no key");
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
  if (options_.log_key.has_value() && open.public_key() == options_.log_key->public_key) {
    return FailHere("open", "the epoch's key is the log's own");
  }
  epoch_key_ = open.public_key();
  opened_ = true;
  tag_start_.opened = true;
  tag_start_.key_commitment = open.key_commitment();
  ASSIGN_OR_RETURN(tag_key_, Unseal(open));
  tag_start_.sealed_to_us = tag_key_.has_value();
  if (options_.on_epoch) options_.on_epoch(header_, open, state_.size);
  return absl::OkStatus();
}

// K_s of an epoch, sealed to our recipient; it must be what the opening commits to. Nothing: it is
// sealed to others.
absl::StatusOr<std::optional<TagKey>> StreamVerifier::Impl::Unseal(const EpochOpen& open) {
  if (options_.recipient_key == nullptr) return std::nullopt;
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
    TagKey first(Secret32(reinterpret_cast<const uint8_t*>(key->data())));
    Wipe(key->data(), key->size());
    if (open.key_commitment() != View(first.Commitment())) {
      return FailHere("sealed-key", "the epoch's sealed tag key is not the one it committed to");
    }
    return std::optional<TagKey>(std::move(first));
  }
  return std::nullopt;
}

// Of the block that was just added.
absl::Status StreamVerifier::Impl::CheckTag(uint64_t index, absl::string_view tag) {
  if (index < epoch_first_ && options_.recipient_key != nullptr) {
    CarriedBlock& carried = tag_start_.carried.emplace_back();
    carried.index = index;
    carried.chain = state_.chain;
    carried.opens = carried_open_;
    carried.first_key = std::exchange(carried_key_, std::nullopt);
    std::memcpy(carried.tag.data(), tag.data(), carried.tag.size());
  }
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
  if (state_.size == epoch_first_) {
    return FailHere("open", "the epoch's first block does not open it");
  }
  if (!close_reason_.empty()) return FailHere("closed", "a block after the epoch's close");
  Extend(redacted->leaf, redacted->count);
  RETURN_IF_ERROR(CheckTag(state_.size - 1, body.substr(kHashBytes, kTagBytes)));
  redacted_ = true;
  if (options_.on_redacted) {
    options_.on_redacted({state_.size - 1, state_.size, redacted->first_sequence,
                          redacted->first_sequence + redacted->count});
  }
  return absl::OkStatus();
}

}  // namespace cairn::ledger
