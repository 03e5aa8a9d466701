// Bundles: a directory of policy files with a manifest that people sign.
//
// DIR/MANIFEST is a C2SP signed note (c2sp.org/signed-note); before it is signed it is the text
// alone:
//   cairn.policy-bundle/v1
//   serial 42
//   file 3b0c… 10-base.yaml        (SHA-256 in hexadecimal; sorted by name)
#ifndef CAIRN_POLICY_BUNDLE_H_
#define CAIRN_POLICY_BUNDLE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/key.h"
#include "policy/policy.h"

namespace cairn::policy {

inline constexpr char kManifestName[] = "MANIFEST";

struct Manifest {
  uint64_t serial = 0;
  std::map<std::string, std::string> files;  // name: SHA-256, 32 bytes
  std::vector<std::string> signers;          // names of trusted keys with a good signature
  std::string text;                          // what is signed

  static absl::StatusOr<Manifest> ParseText(absl::string_view text);
  std::string ToText() const;
};

// The manifest in `bytes`, with whom of `trusted` (vkeys) signed it. Each key counts once, however
// it is named. InvalidArgument: malformed, or a bad signature under a trusted key's name.
// PermissionDenied: fewer than `needed` trusted keys signed it.
absl::StatusOr<Manifest> CheckManifest(absl::string_view bytes,
                                       const std::vector<std::string>& trusted, uint32_t needed);

// `files` are names and texts. Appends what does not agree with the manifest to `causes`.
void CompareManifest(const Manifest& manifest, const std::map<std::string, std::string>& files,
                     std::vector<std::string>* causes);

// `manifest` (signed or not yet) with one more signature, by `name`.
absl::StatusOr<std::string> SignManifest(absl::string_view manifest, absl::string_view name,
                                         const ledger::SigningKey& key);

std::string Sha256Of(absl::string_view text);  // 32 bytes

// What a policy file may be called: letters, digits, '.', '_', '-'; ends in ".yaml".
bool IsPlainName(absl::string_view name);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_BUNDLE_H_
