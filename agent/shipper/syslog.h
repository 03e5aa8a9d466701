// Records as syslog messages: RFC 5424, over UDP (RFC 5426), TCP with octet counting (RFC 6587
// §3.4.1) or a local datagram socket.
#ifndef CAIRN_AGENT_SHIPPER_SYSLOG_H_
#define CAIRN_AGENT_SHIPPER_SYSLOG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "base/socket.h"
#include "ledger/reader.h"

namespace cairn::shipper {

struct SyslogAddress {
  enum class Kind { kUdp, kTcp, kUnix };
  Kind kind = Kind::kUdp;
  HostPort where;
  std::string path;  // kUnix

  // "udp:host:port", "tcp:host:port", "unix:/path". InvalidArgument.
  static absl::StatusOr<SyslogAddress> Parse(absl::string_view text);
};

// <109>1 TIME HOST cairn - TYPE [meta sequenceId="N"] {"sequence":…}
// Facility 13 (log audit), severity 5 (notice); the message is the record as JSON
// (policy/event_json.h), cut to what a datagram holds where it must be.
std::string FormatSyslog(const ledger::LoggedRecord& logged, absl::string_view host,
                         size_t max_bytes);

// One destination. One thread; blocks for some seconds at most.
class SyslogSender {
 public:
  explicit SyslogSender(SyslogAddress address) : address_(std::move(address)) {}

  // Unavailable: not taken; try again later.
  absl::Status Send(const ledger::LoggedRecord& logged);

 private:
  absl::Status Connect();
  absl::Status Write(absl::string_view message);

  const SyslogAddress address_;
  Fd socket_;
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_SYSLOG_H_
