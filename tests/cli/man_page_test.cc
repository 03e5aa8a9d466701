#include "cli/man_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;

TEST(ManPageTest, EveryCommandsPageHasItsSummaryAndEveryOption) {
  for (const Command& command : Commands()) {
    const std::string page = CommandPage(command);
    EXPECT_THAT(page, HasSubstr(".SH NAME\n")) << command.name;
    for (const Option& option : command.options) {
      std::string name(option.name);
      for (size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) {
        name.insert(at, "\\");
      }
      EXPECT_THAT(page, HasSubstr("\\fB" + name)) << command.name;
    }
  }
}

TEST(ManPageTest, TextIsShownAsItStands) {
  const std::string page = TextPage(
      "# x(8) -- a thing\n## One\n.not a macro\nback\\slash `code` and **bold**\n- "
      "item\n{{help}}\n",
      "usage: x\n  -o  y\n");
  EXPECT_THAT(page, HasSubstr(".TH \"X\" \"8\""));
  EXPECT_THAT(page, HasSubstr("\\&.not a macro"));
  EXPECT_THAT(page, HasSubstr("back\\eslash \\fBcode\\fR and \\fBbold\\fR"));
  EXPECT_THAT(page, HasSubstr(".IP \\(bu 2\nitem"));
  EXPECT_THAT(page, HasSubstr(".nf\nusage: x\n  \\-o  y\n.fi"));
}

}  // namespace
}  // namespace cairn::cli
