// The collector's receipt key.
#ifndef CAIRN_COLLECTOR_COSIGNER_H_
#define CAIRN_COLLECTOR_COSIGNER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "ledger/key.h"
#include "ledger/note.h"

namespace cairn::collector {

// Signs C2SP cosignatures (type 0x04). Any thread.
class Cosigner {
 public:
  // `now_s`: seconds since 1970; empty: the system's clock.
  Cosigner(std::string name, ledger::SigningKey key, std::function<uint64_t()> now_s = nullptr);

  struct Cosignature {
    std::string line;  // "— <name> <base64>", without a newline
    uint64_t time_s = 0;
  };
  // Over the text of `note`, which has been verified.
  absl::StatusOr<Cosignature> Sign(absl::string_view note) const;

  const ledger::VerifierKey& key() const { return verifier_key_; }

  // A checkpoint of the collector's own log, as a signed note (type 0x01). The same key: its
  // origin,
  // "<name>/log", is never the first line that a cosignature signs.
  std::string SignLog(const ledger::Checkpoint& checkpoint) const;
  const ledger::VerifierKey& log_key() const { return log_key_; }

 private:
  const std::string name_;
  const std::function<uint64_t()> now_s_;
  ledger::VerifierKey verifier_key_;
  ledger::VerifierKey log_key_;
  mutable absl::Mutex mutex_;
  const ledger::SigningKey key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_COSIGNER_H_
