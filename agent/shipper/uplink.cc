#include "agent/shipper/uplink.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn::shipper {
namespace {

// What may be on its way without a receipt.
constexpr uint64_t kWindowBytes = 32 << 20;
constexpr size_t kWindowNotes = 4096;
constexpr uint32_t kCompressPause = 32;
constexpr size_t kWorthCompressing = 1024;

}  // namespace

Uplink::Uplink(UplinkOptions options, LogSource* source, ReceiptBook* receipts, Exposure* exposure)
    : options_(std::move(options)), source_(source), receipts_(receipts), exposure_(exposure) {}

absl::Status Uplink::Start(std::string* out) {
  ASSIGN_OR_RETURN(log_key_, ledger::VerifierKey::Parse(source_->log_key()));
  ASSIGN_OR_RETURN(const uint64_t first_epoch, source_->FirstEpoch());
  exposure_->Forget();
  wire::Frame frame;
  wire::Hello* hello = frame.mutable_hello();
  hello->set_version(wire::kVersion);
  hello->set_origin(source_->origin());
  hello->set_log_key(source_->log_key());
  hello->set_rotation(source_->rotation());
  hello->set_checkpoint(source_->note());
  hello->set_first_epoch(first_epoch);
  hello->set_zstd(options_.compress);
  hello->set_agent_version(options_.agent_version);
  wire::AppendFrame(frame, out);
  return absl::OkStatus();
}

absl::Status Uplink::OnBytes(absl::string_view bytes, std::string* out) {
  parser_.Add(bytes);
  wire::Frame frame;
  for (;;) {
    const absl::StatusOr<bool> got = parser_.Next(&frame);
    if (!got.ok()) return Annotate(got.status(), "collector");
    if (!*got) return absl::OkStatus();
    ++frames_;
    RETURN_IF_ERROR(OnFrame(frame, out));
  }
}

absl::Status Uplink::OnFrame(const wire::Frame& frame, std::string* out) {
  switch (frame.body_case()) {
    case wire::Frame::kWelcome:
      return OnWelcome(frame.welcome());
    case wire::Frame::kReceipt:
      return OnReceipt(frame.receipt());
    case wire::Frame::kRefusal:
      return OnRefusal(frame.refusal());
    case wire::Frame::kKeepAlive:
      if (!frame.keep_alive().reply()) {
        wire::Frame reply;
        reply.mutable_keep_alive()->set_nonce(frame.keep_alive().nonce());
        reply.mutable_keep_alive()->set_reply(true);
        wire::AppendFrame(reply, out);
      }
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError("collector: a frame that only a shipper sends");
  }
}

absl::Status Uplink::OnWelcome(const wire::Welcome& welcome) {
  if (welcomed_) return absl::InvalidArgumentError("collector: a second Welcome");
  const std::string& key =
      options_.collector_key.empty() ? welcome.collector_key() : options_.collector_key;
  const absl::StatusOr<ledger::VerifierKey> collector = ledger::VerifierKey::Parse(key);
  if (!collector.ok()) return Annotate(collector.status(), "collector's key");
  collector_ = *collector;
  if (collector_.type != ledger::SignatureType::kCosignature) {
    return absl::InvalidArgumentError("collector's key: not one for cosignatures (type 0x04)");
  }
  RETURN_IF_ERROR(CheckHeld(welcome));
  archive_only_ = welcome.archive_only();
  if (!welcome.archived().empty()) RETURN_IF_ERROR(OnArchived(welcome.archived()));
  const Cursor limit = source_->limit();
  cursor_ = {welcome.epoch(), welcome.offset()};
  if (cursor_.epoch > limit.epoch ||
      (cursor_.epoch == limit.epoch && cursor_.offset > limit.offset)) {
    return absl::FailedPreconditionError(
        absl::StrCat("collector: holds segment ", cursor_.epoch, " up to byte ", cursor_.offset,
                     ", the log here ends at segment ", limit.epoch, " byte ", limit.offset));
  }
  compress_ = options_.compress && welcome.zstd();
  if (welcome.keep_alive_s() > 0) keep_alive_s_ = welcome.keep_alive_s();
  welcomed_ = true;
  return absl::OkStatus();
}

// The receipt that the collector last gave, in case it was lost on its way.
absl::Status Uplink::CheckHeld(const wire::Welcome& welcome) {
  if (welcome.checkpoint().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const CheckedReceipt held,
                   CheckReceiptNote(welcome.checkpoint(), log_key_, collector_));
  if (held.size != welcome.size()) {
    return absl::InvalidArgumentError("collector: its Welcome and its checkpoint differ in size");
  }
  RETURN_IF_ERROR(receipts_->Store(collector_, held));
  receipted_ = held.size;
  receipt_time_s_ = held.time_s;
  return ForkIfLarger(held);
}

absl::Status Uplink::ForkIfLarger(const CheckedReceipt& receipt) {
  if (receipt.size <= source_->size()) return absl::OkStatus();
  // The file may have moved on since it was read.
  RETURN_IF_ERROR(source_->Refresh());
  if (receipt.size <= source_->size()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("fork: our own key signed a log of ", receipt.size,
                   " blocks, which the collector holds; here are ", source_->size(),
                   ": this disk is older than the truth"));
}

// The note may be of an earlier session, or another collector may have archived the segment: it
// stands in the message whole, and is a receipt like any other.
absl::Status Uplink::OnArchived(absl::string_view note) {
  ASSIGN_OR_RETURN(const CheckedReceipt checked, CheckReceiptNote(note, log_key_, collector_));
  RETURN_IF_ERROR(ForkIfLarger(checked));
  exposure_->Receipted(checked.size, options_.boot_time_ns());
  RETURN_IF_ERROR(receipts_->Store(collector_, checked));
  RETURN_IF_ERROR(receipts_->StoreArchived(collector_, checked));
  archived_ = std::max(archived_, checked.size);
  if (checked.size <= receipted_) return absl::OkStatus();
  receipted_ = checked.size;
  receipt_time_s_ = checked.time_s;
  return absl::OkStatus();
}

absl::Status Uplink::OnReceipt(const wire::Receipt& receipt) {
  if (!welcomed_) return absl::InvalidArgumentError("collector: a Receipt before the Welcome");
  if (receipt.archived()) return OnArchived(receipt.checkpoint());
  while (!notes_.empty() && notes_.front().note.size < receipt.size()) notes_.pop_front();
  if (notes_.empty() || notes_.front().note.size != receipt.size()) {
    return absl::InvalidArgumentError(absl::StrCat("collector: a Receipt of ", receipt.size(),
                                                   " blocks, for no checkpoint that was sent"));
  }
  const Waiting& waiting = notes_.front();
  ASSIGN_OR_RETURN(const CheckedReceipt checked,
                   CheckReceipt(waiting.note.note, receipt.cosignature(), collector_));
  // From here on the records are vouched for elsewhere, whatever becomes of this disk.
  exposure_->Receipted(checked.size, options_.boot_time_ns());
  RETURN_IF_ERROR(receipts_->Store(collector_, checked));
  receipted_ = checked.size;
  receipt_time_s_ = checked.time_s;
  receipted_bytes_ = waiting.sent_bytes;
  while (!notes_.empty() && notes_.front().note.size <= checked.size) notes_.pop_front();
  return absl::OkStatus();
}

absl::Status Uplink::OnRefusal(const wire::Refusal& refusal) {
  refusal_ = refusal;
  if (refusal.code() == wire::Refusal::FORK && !refusal.checkpoint().empty()) {
    const std::string& pinned = options_.collector_key;
    ASSIGN_OR_RETURN(const ledger::VerifierKey key,
                     ledger::VerifierKey::Parse(pinned.empty() ? refusal.collector_key() : pinned));
    const absl::StatusOr<CheckedReceipt> held =
        CheckReceiptNote(refusal.checkpoint(), log_key_, key);
    if (held.ok()) {
      RETURN_IF_ERROR(receipts_->Store(key, *held));
      RETURN_IF_ERROR(ForkIfLarger(*held));
    }
  }
  return absl::UnavailableError(absl::StrCat("collector refuses: ", wire::RefusalText(refusal)));
}

void Uplink::Enqueue(Piece piece, std::string* out) {
  sent_bytes_ += piece.bytes.size();
  wire::Frame frame;
  wire::Append* append = frame.mutable_append();
  append->set_epoch(piece.at.epoch);
  append->set_offset(piece.at.offset);
  const bool try_it = compress_ && compress_pause_ == 0 && piece.bytes.size() >= kWorthCompressing;
  wire::SetAppendData(piece.bytes, try_it, append);
  if (try_it && append->inflated() == 0) compress_pause_ = kCompressPause;
  if (!try_it && compress_pause_ > 0) --compress_pause_;
  wire::AppendFrame(frame, out);
  for (const SentBlock& block : piece.blocks) {
    exposure_->Sent(block.end, block.last_time_ns, block.records, block.urgent);
  }
  if (archive_only_) return;
  for (SentNote& note : piece.notes) notes_.push_back({std::move(note), sent_bytes_});
}

absl::Status Uplink::Fill(size_t max_bytes, std::string* out, uint64_t* taken) {
  while (welcomed_ && out->size() < max_bytes) {
    const bool full = notes_.size() >= kWindowNotes ||
                      (!notes_.empty() && sent_bytes_ - receipted_bytes_ > kWindowBytes);
    if (full) return absl::OkStatus();
    ASSIGN_OR_RETURN(Piece piece, source_->Read(&cursor_, wire::kMaxAppendBytes));
    if (piece.bytes.empty()) return absl::OkStatus();
    *taken += piece.bytes.size();
    Enqueue(std::move(piece), out);
  }
  return absl::OkStatus();
}

uint64_t Uplink::owed_bytes() const {
  return notes_.empty() ? 0 : notes_.front().sent_bytes - receipted_bytes_;
}

void Uplink::KeepAlive(std::string* out) {
  wire::Frame frame;
  frame.mutable_keep_alive()->set_nonce(options_.boot_time_ns());
  wire::AppendFrame(frame, out);
}

}  // namespace cairn::shipper
