#include "collector/console/filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "collector/origin.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxText = 4096;

absl::Status ParseMillis(const Parameters& parameters, const std::string& name, uint64_t* ns) {
  const std::string text = Parameter(parameters, name);
  if (text.empty()) return absl::OkStatus();
  uint64_t ms = 0;
  if (!absl::SimpleAtoi(text, &ms) || ms > UINT64_MAX / 1000000) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": '", text, "' is no number of milliseconds"));
  }
  *ns = ms * 1000000;
  return absl::OkStatus();
}

}  // namespace

std::string Parameter(const Parameters& parameters, const std::string& name) {
  const auto [begin, end] = parameters.equal_range(name);
  return begin == end ? "" : std::prev(end)->second;
}

absl::StatusOr<Filter> Filter::Make(const Parameters& parameters, const Viewer& viewer) {
  for (const auto& [name, value] : parameters) {
    if (value.size() > kMaxText) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": longer than 4096 bytes"));
    }
  }
  Filter filter;
  filter.rights_ = viewer.rights;
  filter.host_ = Parameter(parameters, "host");
  filter.rule_ = UnescapeBytes(Parameter(parameters, "rule"));
  RETURN_IF_ERROR(ParseMillis(parameters, "since", &filter.terms_.since_ns));
  RETURN_IF_ERROR(ParseMillis(parameters, "until", &filter.terms_.until_ns));
  RETURN_IF_ERROR(filter.ParseTypes(parameters));
  RETURN_IF_ERROR(filter.ParseUser(parameters));
  if (!filter.rule_.empty()) filter.terms_.any_of.push_back({ledger::RuleTerm(filter.rule_)});
  const std::string where = Parameter(parameters, "where");
  if (!where.empty()) {
    auto parsed = policy::Where::Parse(where);
    if (!parsed.ok()) return Annotate(parsed.status(), "where");
    parsed->Require(&filter.terms_);
    filter.where_ = std::make_shared<const policy::Where>(*std::move(parsed));
  }
  return filter;
}

absl::Status Filter::ParseTypes(const Parameters& parameters) {
  policy::EventSet wanted;
  for (const absl::string_view name :
       absl::StrSplit(Parameter(parameters, "type"), ',', absl::SkipWhitespace())) {
    policy::EventSet some;
    if (!policy::ParseEvents(name, &some) &&
        !policy::ParseEvents(absl::StrCat(name, ".*"), &some)) {
      return absl::InvalidArgumentError(absl::StrCat("type: no event '", name, "'"));
    }
    wanted |= some;
  }
  if (wanted.none()) wanted.set();
  wanted &= rights_->events;
  terms_.types = wanted;
  // None at all would mean any.
  if (wanted.none()) terms_.until_ns = 0;
  return absl::OkStatus();
}

absl::Status Filter::ParseUser(const Parameters& parameters) {
  user_ = Parameter(parameters, "user");
  if (user_.empty()) return absl::OkStatus();
  by_user_ = true;
  std::vector<ledger::Term> any = {ledger::UserNameTerm(user_)};
  uint32_t id = 0;
  if (absl::SimpleAtoi(user_, &id)) {
    user_id_ = id;
    any.push_back(ledger::UserIdTerm(id));
  }
  terms_.any_of.push_back(std::move(any));
  return absl::OkStatus();
}

bool Filter::Wants(const ledger::LoggedRecord& logged) const {
  if (logged.wall_ns < terms_.since_ns || logged.wall_ns > terms_.until_ns) return false;
  if (!terms_.types.test(static_cast<uint8_t>(logged.record->type()))) return false;
  if (!rule_.empty() &&
      std::find(logged.rules.begin(), logged.rules.end(), rule_) == logged.rules.end()) {
    return false;
  }
  if (by_user_) {
    const Process* process = logged.process;
    if (process == nullptr) return false;
    const bool by_id =
        user_id_.has_value() && (process->uid() == *user_id_ || process->euid() == *user_id_ ||
                                 process->auid() == *user_id_);
    if (!by_id && process->user() != user_) return false;
  }
  return rights_->Sees(logged) && (where_ == nullptr || where_->Holds(logged));
}

}  // namespace cairn::collector
