// What a category's level records without any rule.
#ifndef CAIRN_POLICY_CATEGORIES_H_
#define CAIRN_POLICY_CATEGORIES_H_

#include <array>
#include <string>

#include "absl/strings/string_view.h"
#include "policy/schema.h"
#include "proto/policy.pb.h"

namespace cairn::policy {

inline constexpr size_t kCategories = 12;
using Levels = std::array<Level, kCategories>;  // in the order of the schema's fields

absl::string_view CategoryName(size_t category);   // "process"
const std::string& CategoryRule(size_t category);  // "category:process": the id records carry
size_t CategoryOf(EventType type);                 // kCategories: none (agent)
Level LevelOf(const Categories& categories, size_t category);
// The events recorded at `level`: those of lower levels among them.
const EventSet& EventsAt(size_t category, Level level);
// Whether an environment may set this category lower than the policy does.
bool Lowerable(size_t category);
absl::string_view LevelName(Level level);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_CATEGORIES_H_
