#include "policy/categories.h"

#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

struct Row {
  absl::string_view name;
  bool lowerable;
  const char* minimal;  // each level adds to the one before
  const char* standard;
  const char* verbose;
};
constexpr Row kRows[kCategories] = {
    {"process", false, "exec", "exit ptrace signal memory_exec", "fork"},
    {"file", true, "", "create delete rename link truncate chmod chown xattr mount umount",
     "open read write close mmap dup utimes pipe"},
    {"net", true, "", "connect bind listen accept raw_socket", "socket dns"},
    {"cred", false, "setuid setgid capset exec", "", ""},
    {"kernel", false, "module_load module_unload kexec clock_set", "bpf", "sysctl"},
    {"ns", true, "", "unshare setns", ""},
    {"auth", false, "login logout failure", "", "credential"},
    {"account", false, "change", "", ""},
    {"service", true, "", "start stop", ""},
    {"mac", false, "", "denial", ""},
    {"tty", true, "", "", "input"},
    {"audit", false, "rule_change config_change lost daemon", "link", "other"},
};

using Sets = std::array<std::array<EventSet, Level_ARRAYSIZE>, kCategories>;

Sets BuildSets() {
  Sets sets;
  for (size_t category = 0; category < kCategories; ++category) {
    const Row& row = kRows[category];
    EventSet so_far;
    const char* const added[] = {"", "", row.minimal, row.standard, row.verbose};
    for (int level = 0; level < Level_ARRAYSIZE; ++level) {
      for (const absl::string_view verb : absl::StrSplit(added[level], ' ', absl::SkipEmpty())) {
        if (!ParseEvents(absl::StrCat(row.name, ".", verb), &so_far)) std::abort();
      }
      sets[category][static_cast<size_t>(level)] = so_far;
    }
  }
  return sets;
}

}  // namespace

absl::string_view CategoryName(size_t category) { return kRows[category].name; }
bool Lowerable(size_t category) { return kRows[category].lowerable; }

const std::string& CategoryRule(size_t category) {
  static const auto* ids = [] {
    auto* all = new std::array<std::string, kCategories>;
    for (size_t i = 0; i < kCategories; ++i) (*all)[i] = absl::StrCat("category:", kRows[i].name);
    return all;
  }();
  return (*ids)[category];
}

size_t CategoryOf(EventType type) {
  static const auto* by_type = [] {
    auto* table = new std::array<uint8_t, 256>;
    for (size_t t = 0; t < 256; ++t) {
      (*table)[t] = kCategories;
      for (size_t i = 0; i < kCategories; ++i) {
        if (EventGroup(static_cast<EventType>(t)) == kRows[i].name)
          (*table)[t] = static_cast<uint8_t>(i);
      }
    }
    return table;
  }();
  return (*by_type)[static_cast<uint8_t>(type)];
}

Level LevelOf(const Categories& categories, size_t category) {
  return static_cast<Level>(categories.GetReflection()->GetEnumValue(
      categories, Categories::descriptor()->field(static_cast<int>(category))));
}

const EventSet& EventsAt(size_t category, Level level) {
  static const Sets* sets = new Sets(BuildSets());
  return (*sets)[category][static_cast<size_t>(level)];
}

absl::string_view LevelName(Level level) {
  static constexpr absl::string_view kNames[] = {"unset", "off", "minimal", "standard", "verbose"};
  return kNames[static_cast<size_t>(level)];
}

}  // namespace cairn::policy
