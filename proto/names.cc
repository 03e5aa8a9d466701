#include "proto/names.h"

#include <array>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"

namespace cairn {
namespace {

struct Names {
  std::array<std::string, 256> by_number;
  absl::flat_hash_map<std::string, EventType> by_name;

  Names() {
    by_number.fill("unknown");
    const auto* descriptor = EventType_descriptor();
    for (int i = 0; i < descriptor->value_count(); ++i) {
      const auto* value = descriptor->value(i);
      if (value->number() == UNKNOWN_EVENT) continue;
      std::string name = absl::AsciiStrToLower(value->name());
      name[name.find('_')] = '.';
      by_number[static_cast<size_t>(value->number())] = name;
      by_name[name] = static_cast<EventType>(value->number());
    }
  }
};

const Names& All() {
  static const Names* names = new Names;
  return *names;
}

}  // namespace

absl::string_view EventName(EventType type) {
  const auto number = static_cast<size_t>(type);
  return number < 256 ? absl::string_view(All().by_number[number]) : "unknown";
}

absl::string_view EventGroup(EventType type) {
  const absl::string_view name = EventName(type);
  return name.substr(0, name.find('.'));
}

std::optional<EventType> EventByName(absl::string_view name) {
  const auto found = All().by_name.find(name);
  if (found == All().by_name.end()) return std::nullopt;
  return found->second;
}

}  // namespace cairn
