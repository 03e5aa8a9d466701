// What a viewer asks for, out of an URL's parameters.
#ifndef CAIRN_COLLECTOR_CONSOLE_FILTER_H_
#define CAIRN_COLLECTOR_CONSOLE_FILTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/console/access.h"
#include "ledger/search.h"

namespace cairn::collector {

using Parameters = std::multimap<std::string, std::string>;

// The last value given, or "".
std::string Parameter(const Parameters& parameters, const std::string& name);

// host, type (also several, by comma), user, rule, where, since and until (milliseconds since
// 1970), of what the viewer may see at all.
class Filter {
 public:
  // InvalidArgument says which parameter, and where in it.
  static absl::StatusOr<Filter> Make(const Parameters& parameters, const Viewer& viewer);

  const std::string& host() const { return host_; }
  const ledger::Terms& terms() const { return terms_; }
  bool Wants(const ledger::LoggedRecord& logged) const;
  // Whether Wants looks at more of a process than its identity.
  bool wants_details() const { return where_ != nullptr || rights_->when != nullptr || by_user_; }

 private:
  absl::Status ParseTypes(const Parameters& parameters);
  absl::Status ParseUser(const Parameters& parameters);

  std::shared_ptr<const Rights> rights_;
  std::string host_;
  ledger::Terms terms_;
  bool by_user_ = false;
  std::string user_;
  std::optional<uint32_t> user_id_;
  std::string rule_;
  std::shared_ptr<const policy::Where> where_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_FILTER_H_
