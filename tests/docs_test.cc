// docs/events.md says something of every event, and of nothing else.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/io.h"
#include "proto/names.h"
#include "proto/record.pb.h"
#include "tests/paths.h"

namespace cairn {
namespace {

TEST(Docs, EventsAreThoseOfTheSchema) {
  const auto text = ReadFile(SourcePath("docs/events.md"), 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  std::set<std::string> documented;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> cells = absl::StrSplit(line, " | ");
    if (cells.size() < 2 || !absl::StartsWith(cells[0], "| ") || cells[0] == "| event") continue;
    const std::string name(cells[0].substr(2));
    EXPECT_TRUE(documented.insert(name).second) << name << " stands there twice";
  }
  std::set<std::string> known;
  for (int number = EventType_MIN; number <= EventType_MAX; ++number) {
    if (number == UNKNOWN_EVENT || !EventType_IsValid(number)) continue;
    known.insert(std::string(EventName(static_cast<EventType>(number))));
  }
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace cairn
