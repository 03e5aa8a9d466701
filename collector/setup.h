// What a new collector needs before it can run: a certificate authority, its own certificate,
// its receipt key, a configuration; and certificates for hosts.
#ifndef CAIRN_COLLECTOR_SETUP_H_
#define CAIRN_COLLECTOR_SETUP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::collector {

struct InitOptions {
  std::string dir;
  std::string deployment;
  std::string name;                // of the receipt key; default: the first of `hosts`
  std::vector<std::string> hosts;  // DNS names and addresses hosts will connect to
  std::string listen = "0.0.0.0:7443";
  std::string enrol;  // where hosts enrol, host:port; empty: certificates are issued by hand
  std::string store;  // default: DIR/store
};

// Makes, in DIR (0700): ca.crt ca.key, collector.crt collector.key (TLS), signing.key and
// collector.vkey (receipts), hosts/, the store, collector.yaml. AlreadyExists: DIR has a
// collector.yaml. Where DIR is the installed collector's (/etc/cairn-collector), hosts enrol at
// 0.0.0.0:7444 and the store is /var/lib/cairn-collector/store unless said otherwise.
absl::Status InitCollector(const InitOptions& options);

// Issues OUT/host.crt and OUT/host.key for `host_uuid` from the authority in DIR, with a copy
// of ca.crt.
absl::Status IssueHost(const std::string& dir, absl::string_view deployment,
                       absl::string_view host_uuid, const std::string& out);

// Adds the log key in the file `vkey` to DIR/hosts/<its host>.vkey.
absl::Status TrustKey(const std::string& dir, const std::string& vkey);

// From now on the host is refused; its stored log and last receipt stay. Where the authority is
// in DIR, its certificates go to DIR/ca.crl as well, which HUP reads anew.
absl::Status RevokeHost(const std::string& dir, absl::string_view host_uuid,
                        absl::string_view reason);

// As RevokeHost, for a host that is no more: expected by nobody. Returns the newest receipts that
// stay in the store, by origin.
struct LastReceipt {
  std::string origin;
  uint64_t size = 0;  // blocks
  std::string path;   // of the file `checkpoint`
};
absl::StatusOr<std::vector<LastReceipt>> DecommissionHost(const std::string& dir,
                                                          absl::string_view host_uuid,
                                                          absl::string_view reason);

// A one-time token for a host to enrol with, as `cairn enrol` takes it. `host_uuid` empty: any.
absl::StatusOr<std::string> MakeToken(const std::string& dir, absl::Duration valid,
                                      absl::string_view host_uuid);

// Nothing of the host is deleted from now on (until `reason` is empty).
absl::Status HoldHost(const std::string& dir, absl::string_view host_uuid,
                      absl::string_view reason);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_SETUP_H_
