// Epochs: how a segment opens, ends, and hands over to the next.
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/frame.h"
#include "ledger/hpke.h"
#include "ledger/ledger.h"

namespace cairn::ledger {
namespace {

constexpr absl::string_view kSuspend = "suspend";

}  // namespace

// The header speaks of the log before this file, hence before what is carried into it.
std::string Ledger::Header() const {
  SegmentHeader header;
  header.set_origin(options_.origin);
  header.set_epoch(state_.next_epoch);
  header.set_first_block(durable_.size);
  header.set_chain(std::string(View(durable_.chain)));
  for (const Hash& hash : durable_.frontier.hashes()) {
    header.add_frontier(std::string(View(hash)));
  }
  header.set_first_sequence(durable_.next_sequence);
  header.set_policy_generation(policy_generation_);
  header.set_environment(options_.environment);
  header.set_previous_end(previous_end_);
  header.set_previous_valid_bytes(previous_valid_bytes_);
  header.set_created_wall_ns(options_.wall_time_ns());
  header.set_carried_blocks(static_cast<uint32_t>(backlog_.blocks()));
  return MakeHeader(header);
}

// Moves on to the next epoch's number and keys; the old ones are gone for good.
void Ledger::AdvanceEpoch(absl::string_view end, uint64_t valid_bytes) {
  ++state_.next_epoch;
  tag_key_.NextEpoch(state_.next_epoch);
  epoch_key_ = std::move(next_epoch_key_);
  next_epoch_key_ = std::make_unique<SigningKey>(SigningKey::FromSeed(options_.new_secret()));
  previous_end_ = std::string(end);
  previous_valid_bytes_ = valid_bytes;
  durable_offset_ = 0;
  tpm_counter_ = 0;
  file_.reset();
}

// A hibernation image may hold all keys that could be derived: nothing of them is used again.
void Ledger::RenewKeys() {
  tag_key_ = TagKey(options_.new_secret());
  epoch_key_ = std::make_unique<SigningKey>(SigningKey::FromSeed(options_.new_secret()));
}

// Writes the header, what the last segment could not keep, and the block that opens the epoch.
absl::Status Ledger::OpenEpoch() {
  ASSIGN_OR_RETURN(file_, SegmentFile::Create(options_.io, options_.dir, state_.next_epoch));
  const std::string header = Header();
  header_hash_ = Sha256({header});
  RETURN_IF_ERROR(file_->Append(header).status());
  backlog_.ForgetWrites();
  RETURN_IF_ERROR(backlog_.Write(file_.get()));
  epoch_first_ = state_.size;
  epoch_first_sequence_ = state_.next_sequence;
  epoch_opened_ns_ = Now();
  builder_.StartSegment();
  AppendEpochOpen();
  return fault_;
}

// Once for each epoch, however often its opening is tried.
uint64_t Ledger::CountEpoch() {
  if (options_.tpm == nullptr || tpm_counter_ != 0) return tpm_counter_;
  const absl::StatusOr<uint64_t> raised = options_.tpm->RaiseCounter();
  if (!raised.ok()) LogError("TPM: ", raised.status().message(), "; this epoch is not counted");
  return tpm_counter_ = raised.value_or(0);
}

// The K of the opening's own block is the epoch's first, so it is sealed before that block closes.
void Ledger::AppendEpochOpen() {
  Record record;
  record.set_type(AGENT_EPOCH_OPEN);
  EpochOpen* open = record.mutable_epoch_open();
  open->set_epoch(state_.next_epoch);
  open->set_public_key(epoch_key_->public_key());
  open->set_header_hash(std::string(View(header_hash_)));
  open->set_size(state_.size);
  open->set_root(std::string(View(state_.frontier.Root())));
  open->set_chain(std::string(View(state_.chain)));
  open->set_boot_id(options_.boot_id);
  open->set_policy_digest(policy_digest_);
  open->set_binary_digest(options_.binary_digest);
  open->set_tpm_counter(CountEpoch());
  open->set_key_commitment(std::string(View(tag_key_.Commitment())));
  const std::string info =
      SealedKeyInfo(options_.origin, state_.next_epoch, state_.size, epoch_key_->public_key());
  for (const std::string& recipient : options_.recipients) {
    const absl::StatusOr<HpkeSealed> sealed =
        HpkeSeal(recipient, options_.new_secret(), {info, ""}, tag_key_.secret().view());
    if (!sealed.ok()) {
      LogError("recipient ", absl::BytesToHexString(recipient), ": ", sealed.status().message());
      continue;
    }
    SealedKey* key = open->add_sealed_keys();
    key->set_recipient(recipient);
    key->set_encapsulated(sealed->encapsulated);
    key->set_ciphertext(sealed->ciphertext);
  }
  if (state_.next_epoch == 0) {
    open->set_from_origin(options_.from.origin);
    open->set_from_size(options_.from.size);
    open->set_from_root(options_.from.root);
    open->set_from_reason(options_.from.reason);
  }
  AppendOwn(record, true);
}

void Ledger::AppendOwn(const Record& record, bool urgent) {
  CloseBlock();
  Record own = record;
  own.set_source(SOURCE_AGENT);
  Entry entry;
  entry.time_ns = Now();
  entry.record = &own;
  entry.urgent = urgent;
  const absl::Status added = builder_.Add(entry);
  if (!added.ok()) LogError("own record not taken: ", added.message());
  CloseBlock();
}

// `silent`: the next epoch's key is not announced, for there is none or it must not be used.
absl::Status Ledger::SealEpoch(absl::string_view reason, bool silent) {
  Record record;
  record.set_type(AGENT_EPOCH_CLOSE);
  EpochClose* close = record.mutable_epoch_close();
  close->set_epoch(state_.next_epoch);
  close->set_reason(std::string(reason));
  if (!silent) close->set_next_public_key(next_epoch_key_->public_key());
  CloseBlock();
  close->set_blocks(state_.size + 1 - epoch_first_);
  close->set_records(state_.next_sequence + 1 - epoch_first_sequence_);
  AppendOwn(record, true);
  RETURN_IF_ERROR(CommitNow());

  Seal seal;
  seal.size = state_.size;
  seal.chain = state_.chain;
  seal.header_hash = header_hash_;
  seal.blocks = state_.size - epoch_first_;
  seal.records = state_.next_sequence - epoch_first_sequence_;
  seal.signature = epoch_key_->Sign(SealedText(seal, options_.origin, state_.next_epoch));
  ASSIGN_OR_RETURN(const uint64_t end, file_->Append(MakeSeal(seal)));
  RETURN_IF_ERROR(file_->Sync());
  return committer_->MoveCheckpoint(file_->name(), end);
}

absl::Status Ledger::Rotate(absl::string_view reason) {
  if (closed_) return absl::UnavailableError("the log is closed");
  RETURN_IF_ERROR(fault_);
  const bool exposed = reason == kSuspend;
  if (const absl::Status sealed = SealEpoch(reason, exposed); !sealed.ok()) {
    Fault(sealed);
    return sealed;
  }
  AdvanceEpoch("sealed", file_->size());
  if (exposed) RenewKeys();
  const absl::Status opened = OpenEpoch();
  if (!opened.ok()) Fault(opened);
  return opened;
}

absl::Status Ledger::Close(absl::string_view reason) {
  if (closed_) return absl::OkStatus();
  CloseBlock();
  closed_ = true;
  RETURN_IF_ERROR(fault_);
  RETURN_IF_ERROR(SealEpoch(reason, true));
  directory_lock_.Reset();  // nothing more is written here
  return absl::OkStatus();
}

}  // namespace cairn::ledger
