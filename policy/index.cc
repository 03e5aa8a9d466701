#include "policy/index.h"

#include <algorithm>

namespace cairn::policy {
namespace {

// Sorted, without what another begins: so that one text meets a rule at most once.
std::vector<absl::string_view> Prefixes(const std::vector<Value>& values) {
  std::vector<absl::string_view> sorted;
  sorted.reserve(values.size());
  for (const Value& value : values) sorted.push_back(value.view());
  std::sort(sorted.begin(), sorted.end());
  std::vector<absl::string_view> kept;
  for (const absl::string_view text : sorted) {
    if (kept.empty() || text.substr(0, kept.back().size()) != kept.back()) kept.push_back(text);
  }
  return kept;
}

void AddOnce(uint32_t number, std::vector<uint32_t>* numbers) {
  if (numbers->empty() || numbers->back() != number) numbers->push_back(number);
}

}  // namespace

void Index::AddGuarded(uint32_t number, const cel::Program::Guard& guard, ByType* type) {
  auto found = std::find_if(type->fields.begin(), type->fields.end(),
                            [&](const ByField& by) { return by.field == guard.field; });
  if (found == type->fields.end()) {
    found = type->fields.emplace(found);
    found->field = guard.field;
  }
  if (guard.prefix) {
    for (const absl::string_view prefix : Prefixes(guard.values)) {
      AddOnce(number, &found->prefixes[prefix]);
      found->prefix_sizes.push_back(static_cast<uint32_t>(prefix.size()));
    }
    std::sort(found->prefix_sizes.begin(), found->prefix_sizes.end());
    found->prefix_sizes.erase(std::unique(found->prefix_sizes.begin(), found->prefix_sizes.end()),
                              found->prefix_sizes.end());
    return;
  }
  for (const Value& value : guard.values) {
    AddOnce(number, value.kind == Kind::kString ? &found->text[value.view()]
                                                : &found->numbers[value.number]);
  }
}

void Index::Add(uint32_t number, const EventSet& events, const cel::Program* when) {
  cel::Program::Guard guard;
  const bool guarded = when != nullptr && when->FindGuard(&guard);
  for (size_t type = 0; type < events.size(); ++type) {
    if (!events.test(type)) continue;
    if (types_[type] == nullptr) types_[type] = std::make_unique<ByType>();
    if (guarded) {
      AddGuarded(number, guard, types_[type].get());
    } else {
      types_[type]->always.push_back(number);
    }
  }
}

void Index::Visit(const Event& event, Scratch* scratch,
                  absl::FunctionRef<void(uint32_t)> visit) const {
  const ByType* type = types_[static_cast<uint8_t>(event.record->type())].get();
  if (type == nullptr) return;
  for (const uint32_t number : type->always) visit(number);
  for (const ByField& by : type->fields) {
    scratch->Reset();
    const Value value = by.field->get(event, *by.field, scratch);
    if (value.kind != Kind::kString) {
      const auto found = by.numbers.find(value.number);
      if (found != by.numbers.end()) {
        for (const uint32_t number : found->second) visit(number);
      }
      continue;
    }
    // `visit` evaluates, which reuses the scratch: an address made there is kept here.
    char kept[64];
    absl::string_view text = value.view();
    if (by.field->path == nullptr || text.size() < sizeof kept) {
      const size_t size = std::min(text.size(), sizeof kept);
      std::copy_n(text.data(), size, kept);
      text = text.size() <= sizeof kept ? absl::string_view(kept, size) : text;
    }
    const auto exact = by.text.find(text);
    if (exact != by.text.end()) {
      for (const uint32_t number : exact->second) visit(number);
    }
    for (const uint32_t size : by.prefix_sizes) {
      if (size > text.size()) break;
      const auto prefix = by.prefixes.find(text.substr(0, size));
      if (prefix == by.prefixes.end()) continue;
      for (const uint32_t number : prefix->second) visit(number);
    }
  }
}

}  // namespace cairn::policy
