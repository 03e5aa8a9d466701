// X.509 certificates for one deployment: an authority that certifies collectors by name and
// hosts by URI. Ed25519 keys. What it makes is ordinary: a site may use its own PKI instead.
#ifndef CAIRN_BASE_CERTIFICATE_H_
#define CAIRN_BASE_CERTIFICATE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct evp_pkey_st;
struct x509_st;

namespace cairn {

struct CertificateAndKey {
  std::string certificate_pem;
  std::string key_pem;  // PKCS #8; secret
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> uris;   // subject alternative names
  std::vector<std::string> names;  // DNS names and IP addresses
  bool server = false;             // extended key usage: server, else client
  absl::Time not_before = absl::Now() - absl::Minutes(5);
  absl::Time not_after = absl::Now() + absl::Hours(24 * 365);
};

// An authority's certificate and key. Issue from one thread at a time.
class CertificateAuthority {
 public:
  static absl::StatusOr<CertificateAndKey> Create(const std::string& common_name,
                                                  absl::Duration lifetime);
  // InvalidArgument: not PEM, or the key is another certificate's.
  static absl::StatusOr<CertificateAuthority> Load(const CertificateAndKey& pem);

  // A new key, certified.
  absl::StatusOr<CertificateAndKey> Issue(const CertificateRequest& request) const;
  // Certifies the key of a PKCS #10 request (DER); of the request only its key is taken, and
  // its own signature must be good. InvalidArgument.
  absl::StatusOr<std::string> IssueFor(const CertificateRequest& request,
                                       absl::string_view csr_der) const;
  // A revocation list (PEM) of these serial numbers (hexadecimal).
  absl::StatusOr<std::string> Revoke(const std::vector<std::string>& serials,
                                     absl::Duration lifetime) const;

  const std::string& certificate_pem() const { return pem_; }

 private:
  absl::StatusOr<std::string> Certify(const CertificateRequest& request,
                                      evp_pkey_st* public_key) const;

  std::shared_ptr<x509_st> certificate_;
  std::shared_ptr<evp_pkey_st> key_;
  std::string pem_;
};

// A key (PEM) and a request for it (PKCS #10, DER), as enrolment sends it.
struct KeyAndRequest {
  std::string key_pem;
  std::string csr_der;
};
// `key_pem` empty: a new key.
absl::StatusOr<KeyAndRequest> MakeRequest(const std::string& common_name,
                                          absl::string_view key_pem = "");

// What the first certificate in `pem` says.
struct CertificateFacts {
  std::string serial;  // hexadecimal
  std::string common_name;
  absl::Time not_before;
  absl::Time not_after;
  std::string spki_sha256;  // 32 bytes
};
absl::StatusOr<CertificateFacts> ReadCertificate(absl::string_view pem);

// Whether the certificate is this key's. Any thread.
bool CertificateFits(absl::string_view certificate_pem, absl::string_view key_pem);

}  // namespace cairn

#endif  // CAIRN_BASE_CERTIFICATE_H_
