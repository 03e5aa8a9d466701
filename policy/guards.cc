#include "policy/guards.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "policy/compiled.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

bool TextHolds(const Guard& guard, const std::string& text) {
  return std::any_of(guard.texts.begin(), guard.texts.end(), [&](const std::string& want) {
    return guard.prefix ? absl::StartsWith(text, want) : text == want;
  });
}

bool NumberHolds(const Guard& guard, uint32_t number) {
  return std::find(guard.numbers.begin(), guard.numbers.end(), int64_t{number}) !=
         guard.numbers.end();
}

bool Holds(const Guard& guard, const Process& process) {
  switch (guard.of) {
    case Guard::kExe:
      return TextHolds(guard, process.exe());
    case Guard::kUid:
      return NumberHolds(guard, process.uid());
    case Guard::kEuid:
      return NumberHolds(guard, process.euid());
    case Guard::kAuid:
      return NumberHolds(guard, process.auid());
    default:
      return true;
  }
}

// Exec, fork, exit and credentials keep the process table right; kernel.sysctl may turn out to
// be a plain write. These always come up.
bool Guardable(size_t type) {
  return (type >= FILE_OPEN && type <= FILE_PIPE) || (type >= NET_SOCKET && type <= NET_RAW_SOCKET);
}

bool FieldOf(absl::string_view name, Guard::Of* of) {
  static constexpr std::pair<absl::string_view, Guard::Of> kFields[] = {
      {"file.path", Guard::kPath},    {"process.exe", Guard::kExe},   {"process.uid", Guard::kUid},
      {"process.euid", Guard::kEuid}, {"process.auid", Guard::kAuid},
  };
  for (const auto& [known, which] : kFields) {
    if (known != name) continue;
    *of = which;
    return true;
  }
  return false;
}

bool GuardOf(const CompiledRule& rule, Guard* guard) {
  cel::Program::Guard found;
  if (rule.when == nullptr || !rule.when->FindGuard(&found)) return false;
  if (!FieldOf(found.field->name, &guard->of)) return false;
  guard->types = rule.events;
  guard->prefix = found.prefix;
  for (const Value& value : found.values) {
    if (value.kind == Kind::kString) {
      guard->texts.emplace_back(value.view());
    } else {
      guard->numbers.push_back(value.number);
    }
  }
  return true;
}

absl::string_view NameOf(Guard::Of of) {
  switch (of) {
    case Guard::kPath:
      return "file.path";
    case Guard::kExe:
      return "process.exe";
    case Guard::kUid:
      return "process.uid";
    case Guard::kEuid:
      return "process.euid";
    default:
      return "process.auid";
  }
}

std::string Describe(const Guards& guards, size_t type) {
  if (!guards.guarded.test(type)) return "all";
  std::set<std::string> conditions;
  for (const Guard& guard : guards.list) {
    if (!guard.types.test(type)) continue;
    for (const std::string& text : guard.texts) {
      conditions.insert(
          absl::StrCat(NameOf(guard.of), guard.prefix ? " begins " : " is ", EscapeBytes(text)));
    }
    for (const int64_t number : guard.numbers) {
      conditions.insert(absl::StrCat(NameOf(guard.of), " is ", number));
    }
  }
  return absl::StrJoin(conditions, ", ");
}

}  // namespace

Guards Guards::Union(const Guards& other) const {
  Guards both = *this;
  both.types |= other.types;
  // What one wants without a guard has none; what one does not want at all is guarded by the other.
  both.guarded = (guarded & (other.guarded | ~other.types)) | (other.guarded & ~types);
  both.list.insert(both.list.end(), other.list.begin(), other.list.end());
  return both;
}

std::bitset<256> Guards::by_path() const {
  std::bitset<256> found;
  for (const Guard& guard : list) {
    if (guard.of == Guard::kPath) found |= guard.types;
  }
  return found & guarded;
}

std::bitset<256> Guards::by_process() const {
  std::bitset<256> found;
  for (const Guard& guard : list) {
    if (guard.of != Guard::kPath) found |= guard.types;
  }
  return found & guarded;
}

std::bitset<256> Guards::MutedFor(const Process& process) const {
  std::bitset<256> muted = by_process();
  for (const Guard& guard : list) {
    if (guard.of != Guard::kPath && Holds(guard, process)) muted &= ~guard.types;
  }
  return muted;
}

Guards GuardsOf(const Policy& policy) {
  const auto* compiled = dynamic_cast<const CompiledPolicy*>(&policy);
  Guards guards;
  guards.types = policy.wanted().types;
  if (compiled == nullptr) return guards;
  EventSet whole;
  for (size_t i = 0; i < kCategories; ++i) whole |= EventsAt(i, compiled->levels()[i]);
  for (size_t type = 0; type < whole.size(); ++type) {
    if (guards.types.test(type) && !whole.test(type) && Guardable(type)) guards.guarded.set(type);
  }
  for (const CompiledRule& rule : compiled->rules()) {
    Guard guard;
    if (GuardOf(rule, &guard)) {
      guards.list.push_back(std::move(guard));
    } else {
      guards.guarded &= ~rule.events;
    }
  }
  return guards;
}

std::string ExplainGuards(const Guards& guards) {
  std::string text;
  for (size_t type = 0; type < guards.types.size(); ++type) {
    if (!guards.types.test(type)) continue;
    const std::string name(EventName(static_cast<EventType>(type)));
    absl::StrAppend(&text, name, std::string(name.size() < 20 ? 20 - name.size() : 1, ' '),
                    Describe(guards, type), "\n");
  }
  return text;
}

}  // namespace cairn::policy
