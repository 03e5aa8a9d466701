#include "collector/session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::collector {
namespace {

constexpr absl::Duration kHelloWithin = absl::Seconds(10);
constexpr absl::Duration kFrameWithin = absl::Seconds(60);
constexpr absl::Duration kSaveEvery = absl::Seconds(5);
constexpr uint32_t kRetryTampered = 60;
constexpr uint32_t kRetryStorage = 5;

// The size and root of a note that the host's key signed; NotFound when it shows none.
absl::StatusOr<ledger::Checkpoint> SignedCheckpoint(absl::string_view text,
                                                    const ledger::VerifierKey& key) {
  if (text.empty()) return absl::NotFoundError("no checkpoint yet");
  ASSIGN_OR_RETURN(const ledger::Note note, ledger::Note::Parse(text));
  ASSIGN_OR_RETURN(ledger::Checkpoint checkpoint, ledger::Checkpoint::Parse(note.text));
  if (checkpoint.origin != key.name || ledger::CheckNote(note, key) != ledger::NoteCheck::kValid) {
    return absl::InvalidArgumentError("the checkpoint shown is not signed by the log's key");
  }
  return checkpoint;
}

}  // namespace

Session::Session(Core* core, Peer peer)
    : core_(core), peer_(std::move(peer)), name_(peer_.address) {
  heard_ = frame_since_ = pinged_ = saved_ = bucket_time_ = core_->options().now();
}

bool Session::OnBytes(absl::string_view bytes, std::string* out) {
  heard_ = core_->options().now();
  if (parser_.buffered() == 0) frame_since_ = heard_;
  parser_.Add(bytes);
  wire::Frame frame;
  for (;;) {
    const absl::StatusOr<bool> got = parser_.Next(&frame);
    if (!got.ok()) return Refuse(wire::Refusal::MALFORMED, got.status().message(), out);
    if (!*got) return true;
    frame_since_ = heard_;
    if (!OnFrame(frame, out)) return false;
  }
}

bool Session::OnFrame(const wire::Frame& frame, std::string* out) {
  switch (frame.body_case()) {
    case wire::Frame::kHello:
      return OnHello(frame.hello(), out);
    case wire::Frame::kAppend:
      return OnAppend(frame.append(), out);
    case wire::Frame::kKeepAlive:
      if (!frame.keep_alive().reply()) {
        wire::Frame reply;
        reply.mutable_keep_alive()->set_nonce(frame.keep_alive().nonce());
        reply.mutable_keep_alive()->set_reply(true);
        wire::AppendFrame(reply, out);
      }
      return true;
    default:
      return Refuse(wire::Refusal::MALFORMED, "a frame that only a collector sends", out);
  }
}

bool Session::OnHello(const wire::Hello& hello, std::string* out) {
  if (log_) return Refuse(wire::Refusal::MALFORMED, "a second Hello", out);
  if (hello.version() != wire::kVersion) {
    return Refuse(
        wire::Refusal::VERSION,
        absl::StrCat("version ", hello.version(), " is not spoken here, only ", wire::kVersion),
        out);
  }
  const absl::StatusOr<Origin> origin = Origin::Parse(hello.origin());
  if (!origin.ok()) return Refuse(wire::Refusal::IDENTITY, origin.status().message(), out);
  if (origin->deployment != core_->options().deployment ||
      std::find(peer_.uris.begin(), peer_.uris.end(), origin->Uri()) == peer_.uris.end()) {
    core_->Alarm("identity", hello.origin(),
                 absl::StrCat(peer_.address, " is certified as '",
                              peer_.uris.empty() ? "" : peer_.uris.front(), "'"));
    return Refuse(wire::Refusal::IDENTITY,
                  absl::StrCat("the certificate does not name ", origin->Uri()), out);
  }
  const absl::StatusOr<ledger::VerifierKey> key =
      core_->hosts()->Trust(*origin, hello.log_key(), hello.rotation());
  if (!key.ok()) {
    core_->Alarm("untrusted_key", hello.origin(), key.status().message());
    const bool revoked = core_->hosts()->revoked(origin->host);
    return Refuse(revoked ? wire::Refusal::IDENTITY : wire::Refusal::UNTRUSTED_KEY,
                  key.status().message(), out, kRetryTampered);
  }
  absl::StatusOr<LogClaim> claim = core_->Claim(*origin, *key);
  if (absl::IsUnavailable(claim.status())) {
    return Refuse(wire::Refusal::BUSY, claim.status().message(), out, 1);
  }
  if (!claim.ok()) {
    core_->Alarm("storage", hello.origin(), claim.status().message());
    return Refuse(wire::Refusal::STORAGE, "the log cannot be opened here", out, kRetryStorage);
  }
  log_ = *std::move(claim);
  core_->Hear(hello.origin());
  name_ = hello.origin();
  shown_note_ = hello.checkpoint();
  receipted_records_ = log_->receipt().records;
  if (!CheckHistory(hello, out) || !Position(hello, out)) return false;
  // The Welcome carries this receipt.
  if (log_->receipt_due() && !GiveReceipt(false, out)) return false;
  Welcome(hello, out);
  return true;
}

// A host that shows less than it was receipted for, or another root, is not the host of then.
bool Session::CheckHistory(const wire::Hello& hello, std::string* out) {
  const uint64_t held = log_->receipt().size;
  const absl::StatusOr<ledger::VerifierKey> key = ledger::VerifierKey::Parse(hello.log_key());
  const absl::StatusOr<ledger::Checkpoint> shown = SignedCheckpoint(hello.checkpoint(), *key);
  if (!shown.ok() && !absl::IsNotFound(shown.status())) {
    return Refuse(wire::Refusal::MALFORMED, shown.status().message(), out, kRetryTampered);
  }
  if (held == 0) return true;
  const uint64_t size = shown.ok() ? shown->size : 0;
  std::string why;
  if (size < held) {
    why = absl::StrCat("the host shows ", size, " blocks, ", held, " are receipted");
  } else if (size == held) {
    const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(log_->receipt().note);
    const auto ours = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
    if (!ours.ok() || ours->root != shown->root) {
      why = absl::StrCat("the host's log of ", size,
                         " blocks has another root than the receipted one");
    }
  }
  if (why.empty()) return true;
  core_->Alarm("fork", name_, why);
  const absl::Status kept = log_->KeepEvidence("fork", why, shown_note_, "");
  if (!kept.ok()) LogError("evidence of ", name_, ": ", kept.message());
  wire::Frame frame;
  wire::Refusal* refusal = frame.mutable_refusal();
  refusal->set_code(wire::Refusal::FORK);
  refusal->set_text(why);
  refusal->set_retry_after_s(kRetryTampered);
  refusal->set_checkpoint(log_->receipt().note);
  refusal->set_collector_key(core_->cosigner().key().ToString());
  wire::AppendFrame(frame, out);
  ++core_->counters()->refused;
  log_.Drop();
  return false;
}

// Where the host must go on; a gap is taken only when nothing else is to be had.
bool Session::Position(const wire::Hello& hello, std::string* out) {
  const Place next = log_->next();
  const bool missing = hello.first_epoch() > next.epoch + (next.offset > 0 ? 1 : 0);
  if (!missing) return true;
  core_->Alarm("gap", name_,
               absl::StrCat("the host's oldest segment is ", hello.first_epoch(),
                            ", held here is up to segment ", next.epoch, " byte ", next.offset));
  const absl::Status started = log_->StartAt(hello.first_epoch());
  if (started.ok()) return true;
  log_.Drop();
  return Refuse(wire::Refusal::STORAGE, started.message(), out, kRetryStorage);
}

void Session::Welcome(const wire::Hello& hello, std::string* out) {
  wire::Frame frame;
  wire::Welcome* welcome = frame.mutable_welcome();
  welcome->set_size(log_->receipt().size);
  welcome->set_checkpoint(log_->receipt().note);
  Place next = log_->next();
  // Held whole, and the host has thrown it away: the next segment it has is the next here.
  if (hello.first_epoch() == next.epoch + 1) next = {hello.first_epoch(), 0};
  welcome->set_epoch(next.epoch);
  welcome->set_offset(next.offset);
  welcome->set_collector_key(core_->cosigner().key().ToString());
  welcome->set_max_data(wire::kMaxAppendBytes);
  welcome->set_zstd(true);
  welcome->set_keep_alive_s(
      static_cast<uint32_t>(absl::ToInt64Seconds(core_->options().keep_alive)));
  wire::AppendFrame(frame, out);
  LogInfo("session ", name_, " from ", peer_.address, ": at segment ", next.epoch, " byte ",
          next.offset, ", ", log_->receipt().size, " blocks receipted");
}

bool Session::OnAppend(const wire::Append& append, std::string* out) {
  if (!log_) return Refuse(wire::Refusal::MALFORMED, "an Append before the Hello", out);
  const absl::StatusOr<std::string> inflated =
      append.inflated() != 0 ? wire::InflateAppend(append) : std::string();
  if (!inflated.ok()) return Refuse(wire::Refusal::MALFORMED, inflated.status().message(), out);
  const absl::string_view bytes = append.inflated() != 0 ? *inflated : append.data();
  const uint64_t quota = core_->options().host_store_bytes;
  if (quota > 0 && log_->stored_bytes() + bytes.size() > quota) {
    core_->Alarm("quota", name_,
                 absl::StrCat("the host's store is at its limit of ", quota, " bytes"));
    return Refuse(wire::Refusal::QUOTA, "this host's store is full", out, kRetryTampered);
  }
  const absl::Status appended = log_->Append({append.epoch(), append.offset()}, bytes);
  if (!appended.ok()) return Reject(appended, bytes, out);
  core_->counters()->bytes += bytes.size();
  Throttle(bytes.size());
  return true;
}

bool Session::Reject(const absl::Status& why, absl::string_view bytes, std::string* out) {
  if (absl::IsOutOfRange(why)) return Refuse(wire::Refusal::OFFSET, why.message(), out);
  const ledger::Finding* finding = log_->finding();
  const bool tampered = finding != nullptr || absl::IsInvalidArgument(why);
  const bool fork = finding == nullptr && absl::IsAborted(why);
  const std::string code = finding != nullptr ? finding->code : fork ? "fork" : "frame";
  const std::string text(why.message());
  if (tampered || fork) {
    core_->Alarm(fork ? "fork" : "tampered", name_, text);
    const absl::Status kept = log_->KeepEvidence(code, text, shown_note_, bytes);
    if (!kept.ok()) LogError("evidence of ", name_, ": ", kept.message());
  } else {
    core_->Alarm("storage", name_, text);
  }
  log_.Drop();
  if (fork) return Refuse(wire::Refusal::FORK, text, out, kRetryTampered);
  if (tampered) return Refuse(wire::Refusal::TAMPERED, text, out, kRetryTampered);
  return Refuse(wire::Refusal::STORAGE, "the collector cannot store just now", out, kRetryStorage);
}

bool Session::Commit(std::string* out) { return !commit_due() || GiveReceipt(true, out); }

bool Session::GiveReceipt(bool announce, std::string* out) {
  const absl::StatusOr<GivenReceipt> receipt = log_->MakeReceipt();
  if (!receipt.ok()) return Reject(receipt.status(), "", out);
  if (announce) {
    wire::Frame frame;
    wire::Receipt* message = frame.mutable_receipt();
    message->set_size(receipt->size);
    message->set_cosignature(receipt->line);
    message->set_epoch(receipt->place.epoch);
    message->set_offset(receipt->place.offset);
    wire::AppendFrame(frame, out);
  }
  const uint64_t fresh =
      receipt->records > receipted_records_ ? receipt->records - receipted_records_ : 0;
  receipted_records_ = std::max(receipted_records_, receipt->records);
  core_->CountReceipt(name_, *receipt, fresh);
  return true;
}

bool Session::OnTick(std::string* out) {
  const absl::Time now = core_->options().now();
  const absl::Duration period = core_->options().keep_alive;
  if (!log_ && now - heard_ > kHelloWithin) {
    return Refuse(wire::Refusal::MALFORMED, "no Hello", out);
  }
  if (parser_.buffered() > 0 && now - frame_since_ > kFrameWithin) {
    return Refuse(wire::Refusal::MALFORMED, "a frame that does not end", out);
  }
  if (now - heard_ > 3 * period) {
    LogInfo("session ", name_, ": silent for ", absl::FormatDuration(3 * period), ", closed");
    return false;
  }
  if (log_ && now - heard_ > period && now - pinged_ > period) {
    pinged_ = now;
    wire::Frame frame;
    frame.mutable_keep_alive()->set_nonce(static_cast<uint64_t>(absl::ToUnixMillis(now)));
    wire::AppendFrame(frame, out);
  }
  if (log_ && now - saved_ > kSaveEvery) {
    saved_ = now;
    const absl::Status saved = log_->SaveCheckpoint();
    if (!saved.ok()) return Reject(saved, "", out);
  }
  return true;
}

void Session::Drain(std::string* out) {
  Commit(out);
  Refuse(wire::Refusal::SHUTTING_DOWN, "the collector stops", out, 1);
}

bool Session::Refuse(wire::Refusal::Code code, absl::string_view text, std::string* out,
                     uint32_t retry_after_s) {
  wire::Frame frame;
  wire::Refusal* refusal = frame.mutable_refusal();
  refusal->set_code(code);
  refusal->set_text(std::string(text.substr(0, wire::kMaxTextBytes)));
  refusal->set_retry_after_s(retry_after_s);
  wire::AppendFrame(frame, out);
  ++core_->counters()->refused;
  LogWarning("session ", name_, " from ", peer_.address, " refused: ", wire::RefusalText(*refusal));
  return false;
}

// A bucket of one second's bytes: a host over its rate is simply not read for a while.
void Session::Throttle(size_t bytes) {
  const double rate = static_cast<double>(core_->options().host_bytes_per_second);
  if (rate <= 0) return;
  const absl::Time now = core_->options().now();
  bucket_ = std::min(rate, bucket_ + rate * absl::ToDoubleSeconds(now - bucket_time_));
  bucket_time_ = now;
  bucket_ -= static_cast<double>(bytes);
  if (bucket_ < 0) read_after_ = now + absl::Seconds(-bucket_ / rate);
}

}  // namespace cairn::collector
