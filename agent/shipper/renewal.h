// Renews this host's certificate in time, at the collectors it ships to.
#ifndef CAIRN_AGENT_SHIPPER_RENEWAL_H_
#define CAIRN_AGENT_SHIPPER_RENEWAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/shipper/shipper.h"

namespace cairn::shipper {

// The key stays the same, so that one file changes at one moment (rename) and no pair can ever be
// torn: key and certificate always fit. One thread.
class Renewal {
 public:
  Renewal(std::vector<CollectorAddress> collectors, TlsFiles tls)
      : collectors_(std::move(collectors)), tls_(std::move(tls)) {}

  // Renews when a third or less of the certificate's life is left; asks at most every few
  // minutes. True: there is a new certificate. Blocks for some seconds at most.
  absl::StatusOr<bool> Check(absl::Time now);

 private:
  absl::StatusOr<std::string> AskFor(const CollectorAddress& collector, const std::string& key_pem,
                                     absl::string_view host) const;
  absl::Status Renew(const std::string& old_pem);

  const std::vector<CollectorAddress> collectors_;
  const TlsFiles tls_;
  absl::Time not_before_ = absl::InfinitePast();
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_RENEWAL_H_
