// Rules, exceptions, noise and redactions, one by one.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/suggest.h"
#include "policy/builder.h"

namespace cairn::policy {
namespace {

constexpr uint64_t kMaxEveryNs = 86400ull * 1000000000;
constexpr uint32_t kMaxAncestors = 32;  // as many as the agent knows
constexpr size_t kMaxEnvName = 64;

}  // namespace

void PolicyBuilder::TakeLimit(const Source& source, const std::string& path, CompiledRule* rule) {
  const RateLimit& limit = rule->source.limit();
  if (limit.events() == 0) return Wrong(source, path, "events is missing");
  if (limit.every_ns() == 0 || limit.every_ns() > kMaxEveryNs) {
    return Wrong(source, path, "every must be more than 0 and at most 24h");
  }
  for (int i = 0; i < limit.per_size(); ++i) {
    const Field* field = FindField(limit.per(i));
    if (field != nullptr) {
      rule->limit_per.push_back(field);
      continue;
    }
    std::vector<absl::string_view> known;
    for (const Field& each : Fields()) known.push_back(each.name);
    Wrong(source, absl::StrCat(path, ".per[", i, "]"),
          absl::StrCat("unknown field '", limit.per(i), "'", DidYouMean(limit.per(i), known)));
  }
  rule->limit.rule = &rule->id;  // Finish sets it again, once rules no longer move
  rule->limit.per_ns = limit.events() / static_cast<double>(limit.every_ns());
  rule->limit.burst = limit.events();
  rule->limit_counts = limit.then() != THEN_DROP;
}

void PolicyBuilder::TakeCapture(const Source& source, const std::string& path, CompiledRule* rule) {
  const CaptureOptions& capture = rule->source.capture();
  if (capture.level() == LEVEL_OFF) {
    Wrong(source, path + ".level", "must be minimal, standard or verbose: a rule records");
  }
  if (capture.ancestors() > kMaxAncestors) {
    Wrong(source, path + ".ancestors", absl::StrCat("at most ", kMaxAncestors));
  }
  for (int i = 0; i < capture.env_size(); ++i) {
    const std::string& name = capture.env(i);
    const bool good = !name.empty() && name.size() <= kMaxEnvName &&
                      !absl::ascii_isdigit(static_cast<unsigned char>(name[0])) &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) {
                        return absl::ascii_isalnum(c) || c == '_';
                      });
    if (!good) {
      Wrong(source, absl::StrCat(path, ".env[", i, "]"),
            absl::StrCat("'", name, "' is no name of a variable (A-Z a-z 0-9 _, at most ",
                         kMaxEnvName, ")"));
    }
  }
  const Level level = capture.level() == LEVEL_UNSPECIFIED ? LEVEL_STANDARD : capture.level();
  rule->capture = {level, capture.ancestors(), capture.exe_hash() || level == LEVEL_VERBOSE};
}

void PolicyBuilder::TakeRule(const Source& source, int index) {
  const std::string path = absl::StrCat("rules[", index, "]");
  const size_t before = problems_->size();
  CompiledRule rule;
  rule.source = source.file.rules(index);
  rule.id = rule.source.id();
  rule.file = source.name;
  rule.place = PlaceOf(source, path);
  rule.floor = source.floor;
  Identify(source, path + ".id", rule.id);
  cel::Scope scope;
  EventsOf(source, path + ".on", rule.source.on(), &scope);
  if (rule.source.on_size() == 0) Wrong(source, path + ".on", "missing: which events is it for?");
  rule.events = scope.events;
  if (!rule.source.when().empty() && scope.events.any()) {
    rule.when = Condition(source, path + ".when", rule.source.when(), scope);
  }
  if (!options_.additive) {
    const auto [first, last] = overlays_.equal_range(rule.id);
    for (auto it = first; it != last; ++it) {
      ApplyOverlay(*it->second.source, it->second.path, *it->second.overlay, &rule.source);
    }
  }
  if (rule.source.has_limit()) {
    if (!options_.additive) TakeLimit(source, path + ".limit", &rule);
  }
  rule.severity = rule.source.severity();
  TakeCapture(source, path + ".capture", &rule);
  if (problems_->size() == before) policy_->rules_.push_back(std::move(rule));
}

void PolicyBuilder::TakeException(const Source& source, int index) {
  const Exception& exception = source.file.exceptions(index);
  const std::string path = absl::StrCat("exceptions[", index, "]");
  const size_t before = problems_->size();
  Identify(source, path + ".id", exception.id());
  if (exception.reason().empty()) Wrong(source, path + ".reason", "missing: say why");
  if (exception.owner().empty()) Wrong(source, path + ".owner", "missing: who answers for it?");
  CompiledException compiled;
  compiled.id = exception.id();
  compiled.counts = exception.effect() != THEN_DROP;
  if (!ParseExpiry(exception.expires(), &compiled.expires_s)) {
    Wrong(source, path + ".expires",
          exception.expires().empty()
              ? "missing: an exception must end (a date, as in 2027-03-31)"
              : absl::StrCat("'", exception.expires(),
                             "' is no date (2027-03-31) or time (2027-03-31T12:00:00Z)"));
  }
  const auto found = rule_by_id_.find(exception.rule());
  const bool compiled_rule = found != rule_by_id_.end() && found->second < policy_->rules_.size() &&
                             policy_->rules_[found->second].id == exception.rule();
  if (found == rule_by_id_.end()) {
    return NoSuchRule(source, path + ".rule", exception.rule());
  }
  if (!compiled_rule) return;  // the rule is wrong itself, and said so
  CompiledRule& rule = policy_->rules_[found->second];
  if (rule.floor) return Wrong(source, path + ".rule", "the floor has no exceptions");
  cel::Scope scope;
  EventsOf(source, path, rule.source.on(), &scope);
  if (!exception.when().empty()) {
    compiled.when = Condition(source, path + ".when", exception.when(), scope);
  }
  if (problems_->size() == before && !options_.additive) {
    rule.exceptions.push_back(std::move(compiled));
  }
}

void PolicyBuilder::TakeNoise(const Source& source, int index) {
  const Noise& noise = source.file.noise(index);
  const std::string path = absl::StrCat("noise[", index, "]");
  const size_t before = problems_->size();
  CompiledNoise compiled;
  compiled.id = noise.id();
  Identify(source, path + ".id", noise.id());
  cel::Scope scope;
  EventsOf(source, path + ".on", noise.on(), &scope);
  if (noise.on_size() == 0) Wrong(source, path + ".on", "missing: which events is it for?");
  compiled.events = scope.events;
  if (noise.when().empty()) {
    Wrong(source, path + ".when", "missing: to switch events off, lower their category");
  } else if (scope.events.any()) {
    compiled.when = Condition(source, path + ".when", noise.when(), scope);
  }
  if (problems_->size() == before && !options_.additive) {
    policy_->noise_.push_back(std::move(compiled));
  }
}

void PolicyBuilder::TakeRedaction(const Source& source, int index) {
  const Redaction& redaction = source.file.redact(index);
  const std::string path = absl::StrCat("redact[", index, "]");
  const size_t before = problems_->size();
  Identify(source, path + ".id", redaction.id());
  if (redaction.fields_size() == 0) Wrong(source, path + ".fields", "missing");
  for (int i = 0; i < redaction.fields_size(); ++i) {
    const Field* field = FindField(redaction.fields(i));
    if (field != nullptr && IsRedactable(*field)) continue;
    std::vector<absl::string_view> known;
    for (const Field& each : Fields()) {
      if (IsRedactable(each)) known.push_back(each.name);
    }
    Wrong(source, absl::StrCat(path, ".fields[", i, "]"),
          absl::StrCat("'", redaction.fields(i), "' is not a field that can be redacted",
                       DidYouMean(redaction.fields(i), known)));
  }
  cel::Scope scope;
  EventsOf(source, path + ".on", redaction.on(), &scope);
  if (redaction.on_size() == 0) scope.events.set();
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto pattern = std::make_unique<RE2>(redaction.pattern(), options);
  if (redaction.pattern().empty()) {
    Wrong(source, path + ".pattern", "missing");
  } else if (!pattern->ok()) {
    Wrong(source, path + ".pattern",
          absl::StrCat("not a regular expression (RE2): ", pattern->error()));
  }
  if (problems_->size() != before) return;
  policy_->redactors_.emplace_back(redaction, std::move(pattern), scope.events, options_.hmac_key);
}

}  // namespace cairn::policy
