// A TPM 2.0 (TCG library specification, through tpm2-tss): opens a log key that is sealed to it,
// and counts epochs where no copy of a disk can turn the count back.
#ifndef CAIRN_LEDGER_TPM_H_
#define CAIRN_LEDGER_TPM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret.h"

namespace cairn::ledger {

// What a sealed secret begins with; TPM2B_PUBLIC and TPM2B_PRIVATE follow.
inline constexpr char kSealedMagic[] = "CAIRNTPM1\n";

// One thread. Errors: Unavailable, with the TPM's own words.
class Tpm {
 public:
  // `tcti` as in tpm2-tss: "device:/dev/tpmrm0", "swtpm:path=/run/swtpm.sock", ...
  static absl::StatusOr<std::unique_ptr<Tpm>> Open(const std::string& tcti);
  ~Tpm();

  // The secret as only this TPM can open it: an object below a primary key of the owner's
  // hierarchy, which is derived anew each time.
  absl::StatusOr<std::string> Seal(const Secret32& secret);
  // InvalidArgument: not a sealed secret. Unavailable: of another TPM.
  absl::StatusOr<Secret32> Unseal(absl::string_view sealed);

  // An NV counter at a fixed index, made by the first Raise. Read: 0 when there is none.
  absl::StatusOr<uint64_t> ReadCounter();
  absl::StatusOr<uint64_t> RaiseCounter();

 private:
  class Impl;
  explicit Tpm(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_TPM_H_
