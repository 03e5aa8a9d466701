#include "policy/diff.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"

namespace cairn::policy {
namespace {

class Differ {
 public:
  explicit Differ(PolicyChange* change) : change_(change) {}

  void Rules(const CompiledPolicy* before, const CompiledPolicy& after) {
    std::map<std::string, const CompiledRule*> old;
    if (before != nullptr) {
      for (const CompiledRule& rule : before->rules()) old[rule.id] = &rule;
    }
    for (const CompiledRule& rule : after.rules()) {
      const auto found = old.find(rule.id);
      if (found == old.end()) {
        if (!rule.floor || before != nullptr) change_->add_added(absl::StrCat("rule ", rule.id));
        for (const auto& one : rule.exceptions) Weakened("exception", one.id, "added");
      } else {
        OneRule(*found->second, rule);
        old.erase(found);
      }
    }
    for (const auto& [id, unused] : old) change_->add_removed(absl::StrCat("rule ", id));
  }

  void Rest(const CompiledPolicy* before, const CompiledPolicy& after) {
    const Levels none{};
    const Levels& old = before == nullptr ? none : before->levels();
    for (size_t i = 0; i < kCategories; ++i) {
      const Level now = after.levels()[i];
      if (old[i] == now) continue;
      const std::string what = absl::StrCat(LevelName(old[i]), " to ", LevelName(now));
      now > old[i] ? Strengthened("category", CategoryName(i), what)
                   : Weakened("category", CategoryName(i), what);
    }
    std::map<std::string, std::string> noise, was_noise, redact, was_redact;
    Collect(after, &noise, &redact);
    if (before != nullptr) Collect(*before, &was_noise, &was_redact);
    Maps("noise", was_noise, noise, /*adding_weakens=*/true);
    Maps("redaction", was_redact, redact, /*adding_weakens=*/false);
    const uint32_t limit = after.host_limit().events_per_second();
    const uint32_t was = before == nullptr ? 0 : before->host_limit().events_per_second();
    if (limit == was) return;
    const std::string what = absl::StrCat(was, " to ", limit, " events a second (0: none)");
    limit == 0 || (was != 0 && limit > was) ? Strengthened("limit", "host", what)
                                            : Weakened("limit", "host", what);
  }

 private:
  void Weakened(absl::string_view kind, absl::string_view id, absl::string_view what) {
    change_->add_weakened(absl::StrCat(kind, " ", id, ": ", what));
  }
  void Strengthened(absl::string_view kind, absl::string_view id, absl::string_view what) {
    change_->add_strengthened(absl::StrCat(kind, " ", id, ": ", what));
  }

  void OneRule(const CompiledRule& old, const CompiledRule& now) {
    const EventSet lost = old.events & ~now.events;
    const EventSet gained = now.events & ~old.events;
    if (lost.any()) Weakened("rule", now.id, "fewer events");
    if (gained.any()) Strengthened("rule", now.id, "more events");
    if (old.source.when() != now.source.when()) {
      now.source.when().empty() ? Strengthened("rule", now.id, "no condition any more")
                                : Weakened("rule", now.id, "another condition");
    }
    if (now.severity != old.severity) {
      now.severity > old.severity ? Strengthened("rule", now.id, "higher severity")
                                  : Weakened("rule", now.id, "lower severity");
    }
    if (old.source.limit().SerializeAsString() != now.source.limit().SerializeAsString()) {
      now.source.has_limit() ? Weakened("rule", now.id, "another limit")
                             : Strengthened("rule", now.id, "no limit any more");
    }
    if (old.source.capture().SerializeAsString() != now.source.capture().SerializeAsString()) {
      const bool less = (old.capture.exe_hash && !now.capture.exe_hash) ||
                        old.capture.ancestors > now.capture.ancestors ||
                        old.source.capture().level() > now.source.capture().level();
      less ? Weakened("rule", now.id, "captures less")
           : Strengthened("rule", now.id, "captures more");
    }
    Exceptions(old, now);
  }

  void Exceptions(const CompiledRule& old, const CompiledRule& now) {
    std::map<std::string, int64_t> was;
    for (const auto& one : old.exceptions) was[one.id] = one.expires_s;
    for (const auto& one : now.exceptions) {
      const auto found = was.find(one.id);
      if (found == was.end()) {
        Weakened("exception", one.id, absl::StrCat("added to rule ", now.id));
      } else {
        if (found->second < one.expires_s) Weakened("exception", one.id, "lasts longer");
        was.erase(found);
      }
    }
    for (const auto& [id, unused] : was) {
      Strengthened("exception", id, absl::StrCat("removed from rule ", now.id));
    }
  }

  static void Collect(const CompiledPolicy& policy, std::map<std::string, std::string>* noise,
                      std::map<std::string, std::string>* redact) {
    for (const Source& source : policy.sources()) {
      for (const Noise& one : source.file.noise()) (*noise)[one.id()] = one.SerializeAsString();
      for (const Redaction& one : source.file.redact()) {
        (*redact)[one.id()] = one.SerializeAsString();
      }
    }
  }

  void Maps(absl::string_view kind, const std::map<std::string, std::string>& old,
            const std::map<std::string, std::string>& now, bool adding_weakens) {
    for (const auto& [id, text] : now) {
      const auto found = old.find(id);
      if (found != old.end() && found->second != text) Weakened(kind, id, "changed");
      if (found != old.end()) continue;
      adding_weakens ? Weakened(kind, id, "added") : Strengthened(kind, id, "added");
    }
    for (const auto& [id, unused] : old) {
      if (now.contains(id)) continue;
      adding_weakens ? Strengthened(kind, id, "removed") : Weakened(kind, id, "removed");
    }
  }

  PolicyChange* const change_;
};

}  // namespace

void DiffPolicies(const CompiledPolicy* before, const CompiledPolicy& after, PolicyChange* change) {
  Differ differ(change);
  differ.Rules(before, after);
  differ.Rest(before, after);
  for (auto* list : {change->mutable_added(), change->mutable_removed(), change->mutable_weakened(),
                     change->mutable_strengthened()}) {
    std::sort(list->begin(), list->end());
  }
}

}  // namespace cairn::policy
