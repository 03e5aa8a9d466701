// Which records `cairn events` and `cairn report` look at.
#ifndef CAIRN_CLI_EVENT_FILTER_H_
#define CAIRN_CLI_EVENT_FILTER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "ledger/index_terms.h"
#include "ledger/reader.h"
#include "policy/where.h"

namespace cairn::cli {

// --since, --until, --type, --user, --rule, --where.
const std::vector<Option>& FilterOptions();

class EventFilter {
 public:
  // InvalidArgument says which option is wrong, and where in it.
  static absl::StatusOr<EventFilter> Make(const Arguments& arguments);

  bool Wants(const ledger::LoggedRecord& logged) const;
  // What every record it wants has.
  ledger::Terms Needs() const;
  uint64_t since_ns() const { return since_ns_; }  // wall; 0: from the beginning

 private:
  bool WantsType(EventType type) const;
  bool WantsUser(const Process* process) const;
  bool WantsRule(const std::vector<absl::string_view>& rules) const;

  uint64_t since_ns_ = 0;
  uint64_t until_ns_ = UINT64_MAX;
  std::vector<std::string> types_;  // "file.open", or "file." for a group
  std::set<std::string> users_;
  std::set<uint32_t> user_ids_;
  std::set<std::string> rules_;
  std::optional<policy::Where> where_;
};

}  // namespace cairn::cli

#endif  // CAIRN_CLI_EVENT_FILTER_H_
