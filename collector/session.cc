#include "collector/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::collector {
namespace {

constexpr absl::Duration kHelloWithin = absl::Seconds(10);
constexpr absl::Duration kPrepareWithin = absl::Minutes(2);
constexpr absl::Duration kFrameWithin = absl::Seconds(60);
constexpr absl::Duration kStillPreparing = absl::Seconds(2);
constexpr absl::Duration kProveWithin = absl::Seconds(5);
constexpr absl::Duration kSaveEvery = absl::Seconds(30);
constexpr absl::Duration kLookEvery = absl::Seconds(5);  // at what operators may have changed

}  // namespace

Session::Session(Core* core, Peer peer, bool opens_elsewhere)
    : core_(core), peer_(std::move(peer)), opens_elsewhere_(opens_elsewhere), name_(peer_.address) {
  began_ = heard_ = frame_since_ = pinged_ = saved_ = looked_ = core_->options().now();
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
      return OnKeepAlive(frame.keep_alive(), out);
    case wire::Frame::kEnrol:
      return OnEnrol(frame.enrol(), out);
    default:
      return Refuse(wire::Refusal::MALFORMED, "a frame that only a collector sends", out);
  }
}

bool Session::OnKeepAlive(const wire::KeepAlive& keep_alive, std::string* out) {
  if (keep_alive.reply()) {
    // Whoever holds this log answers: another that wants it is a clone.
    if (challenged_ != absl::InfiniteFuture()) core_->ProveAlive(name_, peer_.address);
    challenged_ = absl::InfiniteFuture();
    return true;
  }
  wire::Frame reply;
  reply.mutable_keep_alive()->set_nonce(keep_alive.nonce());
  reply.mutable_keep_alive()->set_reply(true);
  wire::AppendFrame(reply, out);
  return true;
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
  if (log_->TakeClosed() && core_->archiver() != nullptr) {
    core_->archiver()->Notice(*origin_, log_->dir(), log_->log_key());
  }
  read_after_ = std::max(read_after_, core_->Spend(*origin_, bytes.size()));
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
  // The host is told of its files, not of where they are here.
  const std::string told = absl::StrReplaceAll(text, {{absl::StrCat(log_->dir(), "/"), ""}});
  log_.Drop();
  if (fork) return Refuse(wire::Refusal::FORK, told, out, kRetryTampered);
  if (tampered) return Refuse(wire::Refusal::TAMPERED, told, out, kRetryTampered);
  return Refuse(wire::Refusal::STORAGE, "the collector cannot store just now", out, kRetryStorage);
}

bool Session::Commit(std::string* out) {
  if (!log_ || !log_->receipt_due()) return true;
  const DueReceipt due = log_->BeginReceipt();
  return GiveReceipt(due, due.Sync(), true, out);
}

std::optional<DueReceipt> Session::BeginCommit() {
  if (!log_ || !log_->receipt_due() || committing_) return std::nullopt;
  committing_ = true;
  return log_->BeginReceipt();
}

bool Session::FinishCommit(const DueReceipt& due, const absl::Status& synced, std::string* out) {
  committing_ = false;
  return !log_ || GiveReceipt(due, synced, true, out);
}

bool Session::GiveReceipt(const DueReceipt& due, const absl::Status& synced, bool announce,
                          std::string* out) {
  const absl::StatusOr<GivenReceipt> receipt = log_->GiveReceipt(due, synced);
  if (!receipt.ok()) return Reject(receipt.status(), "", out);
  if (announce && !core_->options().receipt_after_archive) {
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

void Session::GiveArchived(std::string* out) {
  const ArchivedReceipt archived = core_->archiver()->newest(name_);
  if (archived.size <= archived_) return;
  archived_ = archived.size;
  wire::Frame frame;
  wire::Receipt* message = frame.mutable_receipt();
  message->set_size(archived.size);
  message->set_cosignature(archived.line);
  message->set_archived(true);
  message->set_epoch(archived.epoch);
  message->set_checkpoint(archived.note);
  wire::AppendFrame(frame, out);
}

// Somebody else wants this log: whoever has it must answer, or is taken for dead.
bool Session::CheckChallenge(std::string* out) {
  const absl::Time now = core_->options().now();
  const uint64_t challenges = core_->challenges(name_);
  if (challenges > challenges_ && challenged_ == absl::InfiniteFuture()) {
    challenges_ = challenges;
    challenged_ = now;
    wire::Frame frame;
    frame.mutable_keep_alive()->set_nonce(challenges);
    wire::AppendFrame(frame, out);
  }
  if (now - challenged_ < kProveWithin) return true;
  LogInfo("session ", name_, " from ", peer_.address, ": does not answer, and is wanted again");
  return false;
}

bool Session::OnTick(std::string* out) {
  const absl::Time now = core_->options().now();
  const absl::Duration period = core_->options().keep_alive;
  if (now > peer_.not_after) {
    Distrust(out);
    return false;
  }
  if (preparation_ != nullptr && preparation_->done.HasBeenNotified()) {
    const absl::Status prepared = std::exchange(preparation_, nullptr)->status;
    began_ = now;  // it is opened next, which has its own time
    if (absl::IsAborted(prepared)) {
      return Refuse(wire::Refusal::FORK, prepared.message(), out, kRetryTampered);
    }
    if (!prepared.ok()) {
      return Refuse(wire::Refusal::STORAGE, "the archive does not answer", out, kRetryStorage);
    }
    if (!Open(out)) return false;
  }
  if (!log_ && now - began_ > (waiting_ ? kPrepareWithin : kHelloWithin)) {
    return waiting_ ? Refuse(wire::Refusal::STORAGE, "the log is not ready", out, kRetryStorage)
                    : Refuse(wire::Refusal::MALFORMED, "no Hello", out);
  }
  if (log_ && !CheckChallenge(out)) return false;
  if (log_ && core_->archiver() != nullptr) GiveArchived(out);
  if (parser_.buffered() > 0 && now - std::max(frame_since_, read_after_) > kFrameWithin) {
    return Refuse(wire::Refusal::MALFORMED, "a frame that does not end", out);
  }
  // One that was not read could not be heard.
  if (now - std::max(heard_, read_after_) > 3 * period && !waiting_) {
    LogInfo("session ", name_, ": silent for ", absl::FormatDuration(3 * period), ", closed");
    return false;
  }
  // A host whose log is being fetched or opened must not take us for dead.
  if ((log_ && now - heard_ > period && now - pinged_ > period) ||
      (waiting_ && now - pinged_ > kStillPreparing)) {
    pinged_ = now;
    wire::Frame frame;
    frame.mutable_keep_alive()->set_nonce(static_cast<uint64_t>(absl::ToUnixMillis(now)));
    wire::AppendFrame(frame, out);
  }
  if (log_ && now - saved_ > kSaveEvery) {
    saved_ = now;
    core_->SaveCheckpoint(log_.get());
  }
  if (log_ && now - looked_ > kLookEvery) {
    looked_ = now;
    const bool limited = core_->options().host_store_bytes > 0;
    const absl::Status counted = limited ? log_->Recount() : absl::OkStatus();
    if (!counted.ok()) return Reject(counted, "", out);
    if (core_->hosts()->revoked(origin_->host)) {
      return Refuse(wire::Refusal::IDENTITY, "this host was revoked", out, kRetryTampered);
    }
  }
  return true;
}

void Session::Drain(std::string* out) {
  Commit(out);
  Refuse(wire::Refusal::SHUTTING_DOWN, "the collector stops", out, 1);
}

void Session::Distrust(std::string* out) {
  Commit(out);
  Refuse(wire::Refusal::IDENTITY, "the certificate is not good any more", out, kRetryTampered);
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
  StopWaiting();
  LogWarning("session ", name_, " from ", peer_.address, " refused: ", wire::RefusalText(*refusal));
  return false;
}

}  // namespace cairn::collector
