// What differs in the host's environment: overlays raise, and lower only what the floor lists.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "policy/builder.h"

namespace cairn::policy {

// After all files' levels: an overlay is compared with what holds without it.
void PolicyBuilder::TakeOverlays(const Source& source) {
  for (const auto& [name, environment] : source.file.environments()) {
    const std::string path = absl::StrCat("environments.", name);
    const bool ours = name == options_.environment && !options_.additive;
    for (size_t i = 0; i < kCategories; ++i) {
      const Level level = LevelOf(environment.categories(), i);
      const bool lowers = level != LEVEL_UNSPECIFIED && level < policy_->levels_[i];
      if (lowers && !Lowerable(i)) {
        Wrong(source, absl::StrCat(path, ".categories.", CategoryName(i)),
              absl::StrCat("an environment may not lower this category (",
                           LevelName(policy_->levels_[i]), " to ", LevelName(level), ")"));
      }
      if (ours) overlay_levels_[i] = std::max(overlay_levels_[i], level);
    }
    for (const auto& [rule, overlay] : environment.rules()) {
      const std::string rule_path = absl::StrCat(path, ".rules.", rule);
      if (!rule_by_id_.contains(rule)) NoSuchRule(source, rule_path, rule);
      if (name == options_.environment) TakeOverlay(source, rule_path, rule, overlay);
    }
    TakeLimits(source, path + ".limits", environment.limits(), ours ? &overlay_limit_ : nullptr);
  }
}

void PolicyBuilder::TakeOverlay(const Source& source, const std::string& path,
                                const std::string& rule, const RuleOverlay& overlay) {
  const auto [first, last] = overlays_.equal_range(rule);
  for (auto it = first; it != last; ++it) {
    const RateLimit& other = it->second.overlay->limit();
    if (!overlay.has_limit() || !it->second.overlay->has_limit() ||
        other.SerializeAsString() == overlay.limit().SerializeAsString()) {
      continue;
    }
    Wrong(source, path + ".limit", "set in another file too, with other values");
  }
  overlays_.insert({rule, {&source, path, &overlay}});
}

// `host` null: only checked. Of several files' limits the most generous, in any order.
void PolicyBuilder::TakeLimits(const Source& source, const std::string& path, const Limits& limits,
                               HostLimit* host) {
  if (!limits.has_host()) return;
  const uint32_t rate = limits.host().events_per_second();
  if (rate == 0) return Wrong(source, path + ".host", "events_per_second is missing");
  if (host == nullptr) return;
  host->set_events_per_second(std::max(host->events_per_second(), rate));
  host->set_burst(std::max({host->burst(), limits.host().burst(), rate}));
}

// What the environment says stands instead of what holds without it: limits and some categories
// may be lowered.
void PolicyBuilder::ApplyEnvironment() {
  for (size_t i = 0; i < kCategories; ++i) {
    if (overlay_levels_[i] != LEVEL_UNSPECIFIED) policy_->levels_[i] = overlay_levels_[i];
  }
  if (overlay_limit_.events_per_second() != 0) policy_->host_limit_ = overlay_limit_;
}

// An overlay raises; it may change a limit, which the floor lists as lowerable.
void PolicyBuilder::ApplyOverlay(const Source& source, const std::string& path,
                                 const RuleOverlay& overlay, Rule* rule) {
  if (overlay.has_severity()) {
    if (overlay.severity() < rule->severity()) {
      return Wrong(source, path + ".severity", "an environment may not lower a severity");
    }
    rule->set_severity(overlay.severity());
  }
  if (overlay.has_capture()) {
    CaptureOptions* capture = rule->mutable_capture();
    capture->set_level(std::max(capture->level(), overlay.capture().level()));
    capture->set_ancestors(std::max(capture->ancestors(), overlay.capture().ancestors()));
    capture->set_exe_hash(capture->exe_hash() || overlay.capture().exe_hash());
    capture->mutable_env()->MergeFrom(overlay.capture().env());
  }
  if (overlay.has_limit()) *rule->mutable_limit() = overlay.limit();  // one: TakeOverlays saw to it
}

}  // namespace cairn::policy
