#include "collector/enrolment.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "collector/origin.h"
#include "ledger/note.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxPem = 64 << 10;
constexpr size_t kMaxRequest = 4096;

}  // namespace

absl::StatusOr<Enrolment> Enrolment::Create(EnrolmentOptions options, Hosts* hosts,
                                            const Cosigner* cosigner) {
  Enrolment enrolment(std::move(options), hosts, cosigner);
  ASSIGN_OR_RETURN(enrolment.ca_pem_, ReadFile(enrolment.options_.ca, kMaxPem));
  if (enrolment.options_.ca_key.empty()) return enrolment;
  ASSIGN_OR_RETURN(const std::string key, ReadFile(enrolment.options_.ca_key, kMaxPem));
  absl::StatusOr<CertificateAuthority> authority =
      CertificateAuthority::Load({enrolment.ca_pem_, key});
  if (!authority.ok()) return Annotate(authority.status(), enrolment.options_.ca_key);
  enrolment.authority_ = *std::move(authority);
  return enrolment;
}

absl::StatusOr<wire::Enrolled> Enrolment::Enrol(const wire::Enrol& request, absl::Time now) const {
  ASSIGN_OR_RETURN(const ledger::VerifierKey key, ledger::VerifierKey::Parse(request.log_key()));
  ASSIGN_OR_RETURN(const Origin origin, Origin::Parse(key.name));
  if (key.type != ledger::SignatureType::kEd25519 || origin.host != request.host_uuid() ||
      origin.deployment != options_.deployment) {
    return absl::InvalidArgumentError(absl::StrCat("the log key is named '", key.name, "', not ",
                                                   options_.deployment, "/h/", request.host_uuid(),
                                                   "/…"));
  }
  // Before the token is spent: one that is refused now can be used once this is mended.
  if (hosts_->revoked(origin.host)) {
    return absl::PermissionDeniedError(absl::StrCat("host ", origin.host, " is revoked"));
  }
  ASSIGN_OR_RETURN(const Tokens::Taken taken,
                   Tokens(options_.tokens_dir).Take(request.token(), origin.host, now));
  if (!hosts_->Knows(origin.host, key)) {
    if (hosts_->Known(origin.host) && !taken.bound) {
      return absl::PermissionDeniedError(absl::StrCat(
          "host ", origin.host,
          " is enrolled with another log key: a cloned identity? (a token made for this host "
          "allows a new key)"));
    }
    RETURN_IF_ERROR(hosts_->Add(origin.host, key));
  }
  return Answer(origin, request, now);
}

absl::StatusOr<wire::Enrolled> Enrolment::Renew(const wire::Enrol& request,
                                                const std::vector<std::string>& uris,
                                                absl::Time now) const {
  const Origin origin{options_.deployment, request.host_uuid(), "0"};
  if (!IsHostUuid(origin.host) || std::find(uris.begin(), uris.end(), origin.Uri()) == uris.end()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the certificate does not name host ", request.host_uuid()));
  }
  if (hosts_->revoked(origin.host)) {
    return absl::PermissionDeniedError(absl::StrCat("host ", origin.host, " is revoked"));
  }
  return Answer(origin, request, now);
}

absl::StatusOr<wire::Enrolled> Enrolment::Answer(const Origin& origin, const wire::Enrol& request,
                                                 absl::Time now) const {
  wire::Enrolled answer;
  answer.set_ca_pem(ca_pem_);
  answer.set_collector_key(cosigner_->key().ToString());
  answer.set_ship_port(options_.ship_port);
  if (request.csr_der().empty() || !authority_.has_value()) return answer;
  if (request.csr_der().size() > kMaxRequest) {
    return absl::InvalidArgumentError("the certificate request is too long");
  }
  const CertificateRequest wanted{.common_name = origin.host,
                                  .uris = {origin.Uri()},
                                  .not_before = now - absl::Minutes(5),
                                  .not_after = now + options_.certificate_age};
  ASSIGN_OR_RETURN(*answer.mutable_certificate_pem(),
                   authority_->IssueFor(wanted, request.csr_der()));
  RETURN_IF_ERROR(hosts_->NoteCertificate(origin.host, answer.certificate_pem()));
  return answer;
}

}  // namespace cairn::collector
