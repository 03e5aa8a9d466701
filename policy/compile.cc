#include "policy/compile.h"

#include <openssl/rand.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/suggest.h"
#include "policy/builder.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

constexpr size_t kMaxListEntries = 100000;

// Removing says nothing, a mask that something was there, a keyed hash which are equal. The
// strictest goes first: the others then find nothing left.
int Strictness(const Redactor& redactor) {
  return redactor.replace() == Redaction::REPLACE_REMOVE ? 3
         : redactor.replace() == Redaction::REPLACE_MASK ? 2
                                                         : 1;
}

Source FloorSource() {
  std::vector<Problem> problems;
  Source floor = ReadSource("(floor)", std::string(FloorText()), &problems);
  floor.floor = true;
  return floor;
}

}  // namespace

bool ParseExpiry(absl::string_view text, int64_t* seconds) {
  absl::Time time;
  std::string unused;
  if (text.size() == 10) {
    if (!absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &time, &unused)) return false;
    time += absl::Hours(24);
  } else if (text.size() < 20 || !absl::ParseTime(absl::RFC3339_full, text, &time, &unused)) {
    return false;
  }
  *seconds = absl::ToUnixSeconds(time);
  return true;
}

void PolicyBuilder::Wrong(const Source& source, const std::string& path, absl::string_view cause) {
  if (problems_->size() > 1000) return;
  problems_->push_back({source.name, PlaceOf(source, path), absl::StrCat(path, ": ", cause)});
}

// Ids are names in one space, over all files and kinds.
void PolicyBuilder::Identify(const Source& source, const std::string& path, const std::string& id) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  const bool named = !id.empty() && id.size() <= 64 && id[0] != '-' &&
                     (source.floor || std::all_of(id.begin(), id.end(), good));
  if (!named) {
    Wrong(source, path,
          id.empty() ? "missing"
                     : "must be 1 to 64 of a-z 0-9 . _ -, and ':' is "
                       "the floor's");
  }
  const YamlPlace place = PlaceOf(source, path);
  const auto [found, is_new] =
      ids_.try_emplace(id, absl::StrCat(source.name, ":", place.line, ":", place.column));
  if (!is_new && !id.empty()) {
    Wrong(source, path, absl::StrCat("'", id, "' is already defined at ", found->second));
  }
}

std::unique_ptr<const cel::Program> PolicyBuilder::Condition(const Source& source,
                                                             const std::string& path,
                                                             const std::string& text,
                                                             const cel::Scope& scope) {
  cel::Error error;
  auto program = cel::Program::Compile(text, scope, &error);
  if (program == nullptr && problems_->size() <= 1000) {
    const YamlPlace place = PlaceInScalar(source.text, PlaceOf(source, path), text, error.offset);
    problems_->push_back({source.name, place, absl::StrCat(path, ": ", error.cause)});
  }
  return program;
}

bool PolicyBuilder::EventsOf(const Source& source, const std::string& path, const Strings& on,
                             cel::Scope* scope) {
  bool good = true;
  for (int i = 0; i < on.size(); ++i) {
    EventSet one;
    if (ParseEvents(on.Get(i), &one)) {
      scope->events |= one;
      if (one.count() == 1) scope->named |= one;
      continue;
    }
    std::vector<std::string> names;
    for (int t = 1; t < 256; ++t) {
      const auto name = EventName(static_cast<EventType>(t));
      if (name != "unknown") names.emplace_back(name);
    }
    const std::vector<absl::string_view> known(names.begin(), names.end());
    Wrong(source, absl::StrCat(path, "[", i, "]"),
          absl::StrCat("no event '", on.Get(i), "'", DidYouMean(on.Get(i), known)));
    good = false;
  }
  scope->lists = source.floor ? &own_ : &lists_;
  return good;
}

void PolicyBuilder::TakeLists(const Source& source) {
  for (const auto& [name, words] : source.file.lists()) {
    const std::string path = absl::StrCat("lists.", name);
    if (static_cast<size_t>(words.values_size()) > kMaxListEntries) {
      Wrong(source, path, absl::StrCat("more than ", kMaxListEntries, " entries"));
      continue;
    }
    std::vector<std::string> values(words.values().begin(), words.values().end());
    const auto [found, is_new] = lists_.try_emplace(name, values);
    if (!is_new && found->second != values) {
      Wrong(source, path, "defined in another file too, with other entries");
    }
  }
}

void PolicyBuilder::TakeLevels(const Source& source) {
  for (size_t i = 0; i < kCategories; ++i) {
    policy_->levels_[i] = std::max(policy_->levels_[i], LevelOf(source.file.categories(), i));
  }
}

void PolicyBuilder::NoSuchRule(const Source& source, const std::string& path,
                               const std::string& rule) {
  std::vector<absl::string_view> known;
  for (const auto& [id, unused] : rule_by_id_) known.push_back(id);
  std::sort(known.begin(), known.end());
  Wrong(source, path, absl::StrCat("no rule '", rule, "'", DidYouMean(rule, known)));
}

void PolicyBuilder::CheckReserved(const Source& source) {
  if (source.floor) return;
  const auto check = [&](const std::string& path) {
    if (!source.places.contains(path)) return;
    Wrong(source, path, "agent.yaml reserves this (policy.reserved): a policy may not set it");
  };
  for (const std::string& key : options_.reserved) {
    check(key);
    for (const auto& [name, unused] : source.file.environments()) {
      check(absl::StrCat("environments.", name, ".", key));
    }
  }
}

// Serials are remembered by name: two files of one name would roll each other back.
void PolicyBuilder::TakeName(const Source& source) {
  const Metadata& metadata = source.file.metadata();
  if (metadata.name().empty()) {
    if (metadata.serial() != 0) Wrong(source, "metadata.name", "missing: the serial is of a name");
    return;
  }
  const auto [found, is_new] = names_.try_emplace(metadata.name(), source.name);
  if (is_new) return;
  Wrong(source, "metadata.name",
        absl::StrCat("'", metadata.name(), "' is the name of ", found->second, " too"));
}

void PolicyBuilder::Finish(std::vector<Source> sources) {
  auto& policy = *policy_;
  std::sort(policy.noise_.begin(), policy.noise_.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  std::sort(policy.redactors_.begin(), policy.redactors_.end(), [](const auto& a, const auto& b) {
    return std::make_pair(Strictness(b), a.id()) < std::make_pair(Strictness(a), b.id());
  });
  for (size_t i = 0; i < kCategories; ++i) {
    policy.category_events_ |= EventsAt(i, policy.levels_[i]);
  }
  EventSet wanted = policy.category_events_;
  std::set<std::string> env;
  for (uint32_t i = 0; i < policy.rules_.size(); ++i) {
    CompiledRule& rule = policy.rules_[i];
    std::sort(rule.exceptions.begin(), rule.exceptions.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    if (rule.limit.rule != nullptr) rule.limit.rule = &rule.id;
    policy.wanted_.exe_hash |= rule.capture.exe_hash;
    env.insert(rule.source.capture().env().begin(), rule.source.capture().env().end());
    policy.rule_index_.Add(i, rule.events, rule.when.get());
    wanted |= rule.events;
  }
  for (uint32_t i = 0; i < policy.noise_.size(); ++i) {
    policy.noise_index_.Add(i, policy.noise_[i].events, policy.noise_[i].when.get());
  }
  policy.wanted_.types = wanted;
  policy.wanted_.env = {env.begin(), env.end()};
  static const std::string* host = new std::string("host");
  if (policy.host_limit_.events_per_second() != 0 && !options_.additive) {
    policy.host_rate_ = {host, policy.host_limit_.events_per_second() / 1e9,
                         static_cast<double>(policy.host_limit_.burst())};
  }
  policy.environment_ = options_.environment;
  policy.digest_ = DigestOf(sources, options_.environment);
  for (const Source& source : sources) {
    policy.serial_ = std::max(policy.serial_, source.file.metadata().serial());
  }
  policy.serial_ = std::max(policy.serial_, options_.bundle_serial);
  policy.signers_ = options_.signers;
  policy.bundle_serial_ = options_.bundle_serial;
  policy.bundle_digest_ = options_.bundle_digest;
  policy.sources_ = std::move(sources);
  policy.wall_offset_ns_ = WallOffsetNs();
}

std::shared_ptr<CompiledPolicy> PolicyBuilder::Build(std::vector<Source> sources) {
  const size_t before = problems_->size();
  const Source floor = FloorSource();
  own_["own"] = options_.own_paths;
  std::vector<const Source*> all = {&floor};
  for (const Source& source : sources) all.push_back(&source);
  for (const Source* source : all) {
    if (!source->floor) TakeLists(*source);
    if (!source->floor) TakeName(*source);
    TakeLevels(*source);
    TakeLimits(*source, "limits", source->file.limits(), &policy_->host_limit_);
    CheckReserved(*source);
    for (const Rule& rule : source->file.rules()) rule_by_id_.try_emplace(rule.id(), 0);
  }
  for (const Source* source : all) TakeOverlays(*source);
  ApplyEnvironment();
  for (const Source* source : all) {
    for (int i = 0; i < source->file.rules_size(); ++i) TakeRule(*source, i);
  }
  std::sort(policy_->rules_.begin(), policy_->rules_.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  for (size_t i = 0; i < policy_->rules_.size(); ++i) rule_by_id_[policy_->rules_[i].id] = i;
  for (const Source* source : all) {
    for (int i = 0; i < source->file.exceptions_size(); ++i) TakeException(*source, i);
    for (int i = 0; i < source->file.noise_size(); ++i) TakeNoise(*source, i);
    for (int i = 0; i < source->file.redact_size(); ++i) TakeRedaction(*source, i);
  }
  if (problems_->size() != before && !options_.additive) return nullptr;
  Finish(std::move(sources));
  return policy_;
}

std::shared_ptr<CompiledPolicy> CompilePolicy(std::vector<Source> sources,
                                              const CompileOptions& options,
                                              std::vector<Problem>* problems) {
  CompileOptions filled = options;
  if (filled.hmac_key.empty()) {
    static const std::string* key = [] {
      auto* made = new std::string(32, '\0');
      RAND_bytes(reinterpret_cast<unsigned char*>(made->data()), 32);
      return made;
    }();
    filled.hmac_key = *key;
  }
  return PolicyBuilder(filled, problems).Build(std::move(sources));
}

}  // namespace cairn::policy
