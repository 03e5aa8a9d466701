#include "cli/event_filter.h"

#include <pwd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "base/suggest.h"
#include "cli/time_argument.h"
#include "proto/names.h"

namespace cairn::cli {
namespace {

std::vector<absl::string_view> EventNames() {
  std::vector<absl::string_view> names;
  for (int number = 1; number < 256; ++number) {
    const absl::string_view name = EventName(static_cast<EventType>(number));
    if (name != "unknown") names.push_back(name);
  }
  return names;
}

// "file.open", "file." for the whole group, or InvalidArgument.
absl::StatusOr<std::string> TypeOf(absl::string_view text) {
  if (EventByName(text).has_value()) return std::string(text);
  const absl::string_view group =
      absl::EndsWith(text, ".*") ? text.substr(0, text.size() - 2) : text;
  for (const absl::string_view name : EventNames()) {
    if (absl::StartsWith(name, absl::StrCat(group, "."))) return absl::StrCat(group, ".");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--type: no event '", text, "'", DidYouMean(text, EventNames())));
}

absl::Status ParseTime(const Arguments& arguments, absl::string_view option, uint64_t* wall_ns) {
  if (!arguments.Has(option)) return absl::OkStatus();
  const auto time = ParseTimeArgument(arguments.Get(option), absl::Now(), absl::LocalTimeZone());
  if (!time.ok()) return Annotate(time.status(), option);
  const int64_t ns = absl::ToUnixNanos(*time);
  *wall_ns = ns > 0 ? static_cast<uint64_t>(ns) : 0;
  return absl::OkStatus();
}

}  // namespace

const std::vector<Option>& FilterOptions() {
  static const auto* options = new std::vector<Option>{
      {"--since", "T", "from this time on (10m, 14:05, today, 2026-11-23 14:05, RFC 3339, @unix)"},
      {"--until", "T", "up to this time"},
      {"--type", "G.V", "only this event, or with G its group; may be given again"},
      {"--user", "U", "only this user (name or id: login, real or effective)"},
      {"--rule", "ID", "only what this rule wanted; may be given again"},
      {"--where", "CEL", "only what this condition holds for (docs/policy.md, Conditions)"},
  };
  return *options;
}

absl::StatusOr<EventFilter> EventFilter::Make(const Arguments& arguments) {
  EventFilter filter;
  RETURN_IF_ERROR(ParseTime(arguments, "--since", &filter.since_ns_));
  RETURN_IF_ERROR(ParseTime(arguments, "--until", &filter.until_ns_));
  for (const std::string& text : arguments.All("--type")) {
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      ASSIGN_OR_RETURN(std::string type, TypeOf(part));
      filter.types_.push_back(std::move(type));
    }
  }
  for (const std::string& user : arguments.All("--user")) {
    filter.users_.insert(user);
    uint32_t id = 0;
    const passwd* entry = ::getpwnam(user.c_str());
    if (absl::SimpleAtoi(user, &id)) filter.user_ids_.insert(id);
    if (entry != nullptr) filter.user_ids_.insert(entry->pw_uid);
  }
  for (const std::string& rule : arguments.All("--rule")) filter.rules_.insert(rule);
  if (arguments.Has("--where")) {
    auto where = policy::Where::Parse(arguments.Get("--where"));
    if (!where.ok()) return Annotate(where.status(), "--where");
    filter.where_ = *std::move(where);
  }
  return filter;
}

ledger::Terms EventFilter::Needs() const {
  ledger::Terms terms;
  terms.since_ns = since_ns_;
  terms.until_ns = until_ns_;
  for (int number = 1; number < 256 && !types_.empty(); ++number) {
    const auto type = static_cast<EventType>(number);
    terms.types[static_cast<size_t>(number)] = WantsType(type);
  }
  if (!users_.empty()) {
    std::vector<ledger::Term>& any = terms.any_of.emplace_back();
    for (const std::string& user : users_) any.push_back(ledger::UserNameTerm(user));
    for (const uint32_t id : user_ids_) any.push_back(ledger::UserIdTerm(id));
  }
  if (!rules_.empty()) {
    std::vector<ledger::Term>& any = terms.any_of.emplace_back();
    for (const std::string& rule : rules_) any.push_back(ledger::RuleTerm(rule));
  }
  if (where_.has_value()) where_->Require(&terms);
  return terms;
}

bool EventFilter::WantsType(EventType type) const {
  if (types_.empty()) return true;
  const absl::string_view name = EventName(type);
  for (const std::string& wanted : types_) {
    if (wanted.back() == '.' ? absl::StartsWith(name, wanted) : name == wanted) return true;
  }
  return false;
}

bool EventFilter::WantsUser(const Process* process) const {
  if (users_.empty()) return true;
  if (process == nullptr) return false;
  return users_.contains(process->user()) || user_ids_.contains(process->uid()) ||
         user_ids_.contains(process->euid()) || user_ids_.contains(process->auid());
}

bool EventFilter::WantsRule(const std::vector<absl::string_view>& rules) const {
  if (rules_.empty()) return true;
  for (const absl::string_view rule : rules) {
    if (rules_.contains(std::string(rule))) return true;
  }
  return false;
}

bool EventFilter::Wants(const ledger::LoggedRecord& logged) const {
  return logged.wall_ns >= since_ns_ && logged.wall_ns <= until_ns_ &&
         WantsType(logged.record->type()) && WantsUser(logged.process) && WantsRule(logged.rules) &&
         (!where_.has_value() || where_->Holds(logged));
}

}  // namespace cairn::cli
