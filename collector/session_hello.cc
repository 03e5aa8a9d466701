// How a session begins: who is it, may it, and where does its log go on?
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/session.h"

namespace cairn::collector {
namespace {

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

// One question, one answer, and the connection has done its work.
bool Session::OnEnrol(const wire::Enrol& enrol, std::string* out) {
  if (origin_.has_value()) return Refuse(wire::Refusal::MALFORMED, "an Enrol after the Hello", out);
  if (core_->enrolment() == nullptr) {
    return Refuse(wire::Refusal::MALFORMED, "nobody can enrol here", out);
  }
  const absl::Time now = core_->options().now();
  const absl::StatusOr<wire::Enrolled> answer =
      peer_.enrolling ? core_->enrolment()->Enrol(enrol, now)
                      : core_->enrolment()->Renew(enrol, peer_.uris, now);
  const std::string host = absl::StrCat(core_->options().deployment, "/h/", enrol.host_uuid());
  if (!answer.ok()) {
    const std::string text(answer.status().message());
    if (absl::IsPermissionDenied(answer.status())) {
      core_->Alarm("enrolment", host, absl::StrCat(peer_.address, ": ", text));
      return Refuse(peer_.enrolling ? wire::Refusal::TOKEN : wire::Refusal::IDENTITY, text, out,
                    kRetryTampered);
    }
    const bool malformed = absl::IsInvalidArgument(answer.status());
    if (!malformed) core_->Alarm("storage", host, text);
    return Refuse(malformed ? wire::Refusal::MALFORMED : wire::Refusal::STORAGE, text, out,
                  kRetryStorage);
  }
  wire::Frame frame;
  *frame.mutable_enrolled() = *answer;
  wire::AppendFrame(frame, out);
  LogInfo("host ", host, " from ", peer_.address, peer_.enrolling ? " enrolled" : " renewed");
  return false;
}

bool Session::OnHello(const wire::Hello& hello, std::string* out) {
  if (origin_.has_value()) return Refuse(wire::Refusal::MALFORMED, "a second Hello", out);
  if (peer_.enrolling) return Refuse(wire::Refusal::MALFORMED, "only an Enrol is taken here", out);
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
  name_ = hello.origin();
  absl::StatusOr<LogClaim> claim = core_->Claim(*origin);
  if (!claim.ok()) return Contested(out);
  opening_ = std::make_shared<Opening>(*std::move(claim), *origin, *key);
  origin_ = *origin;
  hello_ = hello;
  waiting_ = true;
  if (core_->archiver() == nullptr) return Open(out);
  preparation_ = core_->archiver()->Prepare(*origin, core_->DirOf(*origin), *key);
  return true;  // OnTick goes on
}

// The session that has the log is dead, or whoever comes now is not the only one of its name.
bool Session::Contested(std::string* out) {
  const std::string other = core_->AliveAt(name_);
  if (other.empty()) {
    return Refuse(wire::Refusal::BUSY, "another session of this log is open", out, 1);
  }
  core_->Alarm("clone", name_,
               absl::StrCat(peer_.address.substr(0, peer_.address.rfind(':')),
                            " has this host's identity, and so has ",
                            other.substr(0, other.rfind(':')), ", which is alive and answers"));
  return Refuse(wire::Refusal::CLONE, "another host with this identity is alive", out,
                kRetryTampered);
}

void Opening::Run() {
  if (abandoned_.load()) {
    opened_ = absl::CancelledError("nobody waits for it");
    return;
  }
  opened_ = log_.Open(origin_, key_);
  if (!opened_.ok() || !log_->receipt_due()) return;
  due_ = log_->BeginReceipt();
  synced_ = due_->Sync();
}

bool Session::Open(std::string* out) {
  opening_due_ = opens_elsewhere_;
  if (opening_due_) return true;  // BeginOpening
  opening_->Run();
  return FinishOpening(opening_.get(), out);
}

std::shared_ptr<Opening> Session::BeginOpening() {
  return std::exchange(opening_due_, false) ? opening_ : nullptr;
}

void Session::StopWaiting() {
  if (opening_ != nullptr) opening_->Abandon();
  opening_ = nullptr;
  opening_due_ = waiting_ = false;
}

bool Session::FinishOpening(Opening* opening, std::string* out) {
  if (!std::exchange(waiting_, false)) return false;  // it was refused meanwhile
  const std::shared_ptr<Opening> done = std::exchange(opening_, nullptr);
  if (!opening->opened_.ok()) {
    core_->Alarm("storage", name_, opening->opened_.message());
    return Refuse(wire::Refusal::STORAGE, "the log cannot be opened here", out, kRetryStorage);
  }
  log_ = std::move(opening->log_);
  return Greet(*opening, out);
}

bool Session::Greet(const Opening& opening, std::string* out) {
  core_->Hear(name_);
  shown_note_ = hello_.checkpoint();
  read_after_ = core_->Spend(*origin_, 0);
  receipted_records_ = log_->receipt().records;
  // What was verified and never receipted counts too when histories are compared.
  if (opening.due_.has_value() && !GiveReceipt(*opening.due_, opening.synced_, false, out)) {
    return false;
  }
  if (!CheckHistory(hello_, out) || !Position(hello_, out)) return false;
  Welcome(hello_, out);
  hello_.Clear();
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
  core_->Alarm("storage", name_, started.message());
  log_.Drop();
  return Refuse(wire::Refusal::STORAGE, "the collector cannot store just now", out, kRetryStorage);
}

void Session::Welcome(const wire::Hello& hello, std::string* out) {
  wire::Frame frame;
  wire::Welcome* welcome = frame.mutable_welcome();
  const bool archive_only = core_->options().receipt_after_archive;
  if (!archive_only) {
    welcome->set_size(log_->receipt().size);
    welcome->set_checkpoint(log_->receipt().note);
  }
  if (core_->archiver() != nullptr) {
    const ArchivedReceipt archived = core_->archiver()->newest(name_);
    archived_ = archived.size;
    welcome->set_archives(true);
    welcome->set_archive_only(archive_only);
    welcome->set_archived(archived.note);
  }
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

}  // namespace cairn::collector
