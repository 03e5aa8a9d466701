// Who becomes a host of this deployment, and for how long: one-time tokens, certificates.
#ifndef CAIRN_COLLECTOR_ENROLMENT_H_
#define CAIRN_COLLECTOR_ENROLMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/certificate.h"
#include "collector/cosigner.h"
#include "collector/hosts.h"
#include "collector/tokens.h"
#include "proto/wire.pb.h"

namespace cairn::collector {

struct EnrolmentOptions {
  std::string deployment;
  std::string tokens_dir;
  std::string ca;      // PEM file: who certifies collectors, and hosts where ca_key is given
  std::string ca_key;  // PEM file; empty: the site certifies its hosts itself
  absl::Duration certificate_age = absl::Hours(24 * 90);
  uint32_t ship_port = 0;  // told to who enrols; 0: where it enrolled
};

// Errors of both: PermissionDenied (token, another host's identity, revoked), InvalidArgument (the
// request), else the disk.
// Any thread.
class Enrolment {
 public:
  // `hosts` and `cosigner` outlive it. InvalidArgument: ca_key is not ca's.
  static absl::StatusOr<Enrolment> Create(EnrolmentOptions options, Hosts* hosts,
                                          const Cosigner* cosigner);

  // A new host, or one whose token was made for it: its log key is trusted from now on. A host
  // that is known with another key is somebody else, unless the token names it.
  absl::StatusOr<wire::Enrolled> Enrol(const wire::Enrol& request, absl::Time now) const;
  // A new certificate for the host that the client certificate's `uris` name.
  absl::StatusOr<wire::Enrolled> Renew(const wire::Enrol& request,
                                       const std::vector<std::string>& uris, absl::Time now) const;

 private:
  Enrolment(EnrolmentOptions options, Hosts* hosts, const Cosigner* cosigner)
      : options_(std::move(options)), hosts_(hosts), cosigner_(cosigner) {}
  absl::StatusOr<wire::Enrolled> Answer(const Origin& origin, const wire::Enrol& request,
                                        absl::Time now) const;

  EnrolmentOptions options_;
  Hosts* hosts_;
  const Cosigner* cosigner_;
  std::optional<CertificateAuthority> authority_;
  std::string ca_pem_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_ENROLMENT_H_
