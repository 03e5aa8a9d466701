#include "collector/cosigner.h"

#include <ctime>

#include "absl/strings/strip.h"
#include "base/status.h"

namespace cairn::collector {

Cosigner::Cosigner(std::string name, ledger::SigningKey key, std::function<uint64_t()> now_s)
    : name_(std::move(name)),
      now_s_(now_s ? std::move(now_s) : [] { return static_cast<uint64_t>(::time(nullptr)); }),
      key_(std::move(key)) {
  const absl::MutexLock lock(&mutex_);
  verifier_key_.name = name_;
  verifier_key_.type = ledger::SignatureType::kCosignature;
  verifier_key_.public_key = key_.public_key();
  log_key_.name = name_ + "/log";
  log_key_.public_key = key_.public_key();
}

std::string Cosigner::SignLog(const ledger::Checkpoint& checkpoint) const {
  ledger::Note note{.text = checkpoint.ToText()};
  const absl::MutexLock lock(&mutex_);
  note.signatures = {ledger::SignNote(note.text, log_key_.name, key_)};
  return note.ToString();
}

absl::StatusOr<Cosigner::Cosignature> Cosigner::Sign(absl::string_view note) const {
  ASSIGN_OR_RETURN(ledger::Note parsed, ledger::Note::Parse(note));
  Cosignature out;
  out.time_s = now_s_();
  ledger::Note only{.text = parsed.text};
  {
    const absl::MutexLock lock(&mutex_);
    only.signatures = {ledger::CosignNote(parsed.text, name_, key_, out.time_s)};
  }
  const std::string whole = only.ToString();
  absl::string_view line = absl::string_view(whole).substr(parsed.text.size() + 1);
  absl::ConsumeSuffix(&line, "\n");
  out.line = std::string(line);
  return out;
}

}  // namespace cairn::collector
