#include "cli/help.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace cairn::cli {
namespace {

std::string Spelling(const Option& option) {
  return absl::StrCat(option.letter != 0 ? absl::StrFormat("-%c, ", option.letter) : "    ",
                      option.name, option.value.empty() ? "" : " ", option.value);
}

}  // namespace

std::string UsageLine(const Command& command) {
  return absl::StrCat("cairn ", command.name, command.options.empty() ? "" : " [OPTION]...",
                      command.arguments.empty() ? "" : " ", command.arguments);
}

std::string OptionLines(const Command& command) {
  size_t width = 0;
  for (const Option& option : command.options) width = std::max(width, Spelling(option).size());
  std::string lines;
  for (const Option& option : command.options) {
    absl::StrAppendFormat(&lines, "  %-*s  %s\n", static_cast<int>(width), Spelling(option),
                          option.help);
  }
  return lines;
}

std::string ExitCodeLines() {
  return "  0 ok   1 failed or tampered   2 incomplete   3 bad input   4 no privilege\n"
         "  5 usage   6 bad policy or configuration   8 no daemon answers\n";
}

std::string CommandHelp(const Command& command) {
  std::string help = absl::StrCat("usage: ", UsageLine(command), "\n\n", command.summary, ".\n");
  if (!command.details.empty()) absl::StrAppend(&help, "\n", command.details, "\n");
  if (!command.options.empty()) absl::StrAppend(&help, "\noptions:\n", OptionLines(command));
  absl::StrAppend(&help, "\nexit codes:\n", ExitCodeLines());
  return help;
}

std::string ProgramHelp(absl::Span<const Command> commands) {
  std::string help =
      "usage: cairn COMMAND [OPTION]... [ARGUMENT]...\n\n"
      "Reads, checks and steers cairn's tamper-evident logs.\n\ncommands:\n";
  for (const Command& command : commands) {
    absl::StrAppendFormat(&help, "  %-22s %s\n", command.name, command.summary);
  }
  absl::StrAppend(&help, "\n`cairn COMMAND --help` tells more.\n\nexit codes:\n", ExitCodeLines());
  return help;
}

}  // namespace cairn::cli
