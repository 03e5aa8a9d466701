// The names of hosts and logs, checked before they become paths.
#ifndef CAIRN_COLLECTOR_ORIGIN_H_
#define CAIRN_COLLECTOR_ORIGIN_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::collector {

// "<deployment>/h/<host-uuid>/<incarnation>". Each part is 1 to 64 of [A-Za-z0-9._-] and does
// not begin with a dot; the uuid is lower-case hexadecimal, 8-4-4-4-12.
struct Origin {
  std::string deployment;
  std::string host;
  std::string incarnation;

  static absl::StatusOr<Origin> Parse(absl::string_view text);
  std::string Text() const;
  std::string Uri() const;   // what the client certificate must name: cairn://<deployment>/h/<uuid>
  std::string Path() const;  // <deployment>/<uuid>/<incarnation>
};

bool IsHostUuid(absl::string_view text);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_ORIGIN_H_
