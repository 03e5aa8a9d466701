// Which log keys each host was enrolled with: the collector's trust.
#ifndef CAIRN_COLLECTOR_HOSTS_H_
#define CAIRN_COLLECTOR_HOSTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collector/origin.h"
#include "ledger/note.h"

namespace cairn::collector {

// A directory of files, read at each use so that a change needs no reload:
//   <host-uuid>.vkey     verifier keys, one a line; '#' begins a comment
//   <host-uuid>.revoked  the host is refused, whatever certificate it shows
//   <host-uuid>.hold     nothing of the host is deleted: legal hold
//   <host-uuid>.certs    certificates issued to it: serial number and end, one a line
// Any thread.
class Hosts {
 public:
  // `trust_on_first_use`: a host without a file gets one with the first key it shows.
  Hosts(std::string dir, bool trust_on_first_use)
      : dir_(std::move(dir)), trust_on_first_use_(trust_on_first_use) {}

  // The key to verify `origin` with, when `shown` (a verifier key named as the origin) is one
  // the host was enrolled with. PermissionDenied: it is not, or the host is revoked;
  // InvalidArgument: `shown` is no such key.
  // A `rotation` note (ledger/rotation.h; empty: none) by an enrolled key enrols the key it names.
  absl::StatusOr<ledger::VerifierKey> Trust(const Origin& origin, absl::string_view shown,
                                            absl::string_view rotation = "");

  // Adds a key to a host's file. AlreadyExists when it is there.
  absl::Status Add(absl::string_view host, const ledger::VerifierKey& key);
  absl::Status Revoke(absl::string_view host, absl::string_view reason);
  bool revoked(absl::string_view host) const;
  bool held(absl::string_view host) const;
  absl::Status Hold(absl::string_view host, absl::string_view reason);
  absl::Status EndHold(absl::string_view host);

  // Whether any key of the host is enrolled; whether this one is.
  bool Known(absl::string_view host) const;
  bool Knows(absl::string_view host, const ledger::VerifierKey& key) const;

  absl::Status NoteCertificate(absl::string_view host, absl::string_view pem);
  // Serial numbers of the certificates of all revoked hosts.
  absl::StatusOr<std::vector<std::string>> RevokedSerials() const;

 private:
  bool NamedBy(absl::string_view rotation, absl::string_view lines,
               const ledger::VerifierKey& key) const;
  absl::StatusOr<std::string> Lines(absl::string_view host) const;

  const std::string dir_;
  const bool trust_on_first_use_;
  absl::Mutex mutex_;  // one change at a time
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_HOSTS_H_
