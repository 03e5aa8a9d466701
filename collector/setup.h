// What a new collector needs before it can run: a certificate authority, its own certificate,
// its receipt key, a configuration; and certificates for hosts.
#ifndef CAIRN_COLLECTOR_SETUP_H_
#define CAIRN_COLLECTOR_SETUP_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn::collector {

struct InitOptions {
  std::string dir;
  std::string deployment;
  std::string name;                // of the receipt key; default: the first of `hosts`
  std::vector<std::string> hosts;  // DNS names and addresses hosts will connect to
  std::string listen = "0.0.0.0:7443";
};

// Makes, in DIR (0700): ca.crt ca.key, collector.crt collector.key (TLS), signing.key and
// collector.vkey (receipts), hosts/, store/, collector.yaml. AlreadyExists: DIR has a
// collector.yaml.
absl::Status InitCollector(const InitOptions& options);

// Issues OUT/host.crt and OUT/host.key for `host_uuid` from the authority in DIR, with a copy
// of ca.crt.
absl::Status IssueHost(const std::string& dir, absl::string_view deployment,
                       absl::string_view host_uuid, const std::string& out);

// Adds the log key in the file `vkey` to DIR/hosts/<its host>.vkey.
absl::Status TrustKey(const std::string& dir, const std::string& vkey);

// From now on the host is refused; its stored log and last receipt stay.
absl::Status RevokeHost(const std::string& dir, absl::string_view host_uuid,
                        absl::string_view reason);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_SETUP_H_
