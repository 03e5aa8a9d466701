#include "agent/shipper/renewal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/certificate.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "proto/wire_call.h"

namespace cairn::shipper {
namespace {

constexpr size_t kMaxPem = 64 << 10;
constexpr absl::Duration kEvery = absl::Minutes(5);
constexpr absl::Duration kTimeout = absl::Seconds(10);

}  // namespace

absl::StatusOr<bool> Renewal::Check(absl::Time now) {
  if (now < not_before_) return false;
  not_before_ = now + kEvery;
  ASSIGN_OR_RETURN(const std::string pem, ReadFile(tls_.certificate, kMaxPem));
  ASSIGN_OR_RETURN(const CertificateFacts facts, ReadCertificate(pem));
  if (facts.not_after - now > (facts.not_after - facts.not_before) / 3) return false;
  RETURN_IF_ERROR(Renew(pem));
  return true;
}

absl::StatusOr<std::string> Renewal::AskFor(const CollectorAddress& collector,
                                            const std::string& key_pem,
                                            absl::string_view host) const {
  ASSIGN_OR_RETURN(std::shared_ptr<TlsContext> context, TlsContext::Client(tls_));
  ASSIGN_OR_RETURN(KeyAndRequest request, MakeRequest(std::string(host), key_pem));
  wire::Frame question;
  question.mutable_enrol()->set_host_uuid(std::string(host));
  question.mutable_enrol()->set_csr_der(request.csr_der);
  ASSIGN_OR_RETURN(const wire::Frame answer, wire::Ask(collector.where, std::move(context),
                                                       collector.spki_sha256, question, kTimeout));
  if (!answer.has_enrolled()) return absl::InvalidArgumentError("not an answer to a renewal");
  if (answer.enrolled().certificate_pem().empty()) {
    return absl::FailedPreconditionError(
        "it certifies nobody: the site renews certificates (no_renewal: true)");
  }
  return answer.enrolled().certificate_pem();
}

absl::Status Renewal::Renew(const std::string& old_pem) {
  ASSIGN_OR_RETURN(const CertificateFacts old, ReadCertificate(old_pem));
  ASSIGN_OR_RETURN(const std::string key_pem, ReadFile(tls_.key, kMaxPem));
  absl::Status last = absl::UnavailableError("no collector");
  for (const CollectorAddress& collector : collectors_) {
    const absl::StatusOr<std::string> pem = AskFor(collector, key_pem, old.common_name);
    last = Annotate(pem.status(),
                    absl::StrCat("renew at ", collector.where.host, ":", collector.where.port));
    if (!pem.ok()) continue;
    // What is no better than the old one, or not for our key, is not taken.
    ASSIGN_OR_RETURN(const CertificateFacts fresh, ReadCertificate(*pem));
    if (fresh.not_after <= old.not_after || !CertificateFits(*pem, key_pem)) {
      last = absl::DataLossError("renew: the certificate that came is not a newer one for our key");
      continue;
    }
    const size_t slash = tls_.certificate.rfind('/');
    RETURN_IF_ERROR(WriteFileDurably(Io::Real(), tls_.certificate.substr(0, slash),
                                     tls_.certificate.substr(slash + 1), *pem, 0644));
    LogInfo("certificate renewed, good until ",
            absl::FormatTime(absl::RFC3339_sec, fresh.not_after, absl::UTCTimeZone()));
    return absl::OkStatus();
  }
  return last;
}

}  // namespace cairn::shipper
