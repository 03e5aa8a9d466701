// One-time tokens with which hosts enrol.
#ifndef CAIRN_COLLECTOR_TOKENS_H_
#define CAIRN_COLLECTOR_TOKENS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::collector {

// A directory with a file a token, named by the SHA-256 of its secret, so that whoever reads the
// directory cannot enrol:
//   <sha256>.token  "expires <RFC 3339>\nhost <uuid>|any\n"; becomes
//   <sha256>.used   when it is taken, with a line of who took it
// Any thread, any number of processes: rename(2) lets one win.
class Tokens {
 public:
  explicit Tokens(std::string dir) : dir_(std::move(dir)) {}

  // A new secret: 32 hexadecimal digits. `host`: the only uuid it is good for; empty: any.
  absl::StatusOr<std::string> Make(absl::Duration valid, absl::string_view host) const;

  struct Taken {
    bool bound = false;  // it was made for this very host
  };
  // Takes the token for `host`. PermissionDenied: unknown, used, expired, or another host's;
  // which of these is for the log, not for whoever asks.
  absl::StatusOr<Taken> Take(absl::string_view secret, absl::string_view host,
                             absl::Time now) const;

 private:
  const std::string dir_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_TOKENS_H_
