// One question and its answer over TLS: how a host enrols and renews its certificate.
#ifndef CAIRN_PROTO_WIRE_CALL_H_
#define CAIRN_PROTO_WIRE_CALL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/socket.h"
#include "base/tls.h"
#include "proto/wire.pb.h"

namespace cairn::wire {

// Connects to `where`, sends `question` and returns the first frame that comes back. `pin` as in
// TlsConnection::Connect. PermissionDenied: a certificate was refused, or the answer is a Refusal
// for good; Unavailable: no answer within `timeout`, or a Refusal that may pass. Blocks.
absl::StatusOr<Frame> Ask(const HostPort& where, std::shared_ptr<TlsContext> context,
                          const std::string& pin, const Frame& question, absl::Duration timeout);

}  // namespace cairn::wire

#endif  // CAIRN_PROTO_WIRE_CALL_H_
