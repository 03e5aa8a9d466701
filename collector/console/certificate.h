// The page's own certificate. Browsers take no Ed25519 keys, which is what the rest of cairn's TLS
// has; this one is ECDSA P-256.
#ifndef CAIRN_COLLECTOR_CONSOLE_CERTIFICATE_H_
#define CAIRN_COLLECTOR_CONSOLE_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/certificate.h"

namespace cairn::collector {

// A key and a certificate for it that signs itself, good for these DNS names and IP addresses for
// a year: for a first look, or to be trusted by hand. A site with a PKI uses that.
absl::StatusOr<CertificateAndKey> MakeWebCertificate(const std::vector<std::string>& names);

// InvalidArgument, with the remedy: browsers would refuse the key in this PEM file.
absl::Status CheckWebKey(const std::string& path);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_CERTIFICATE_H_
