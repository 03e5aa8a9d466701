// Manual pages from what the programs say of themselves.
#ifndef CAIRN_CLI_MAN_PAGE_H_
#define CAIRN_CLI_MAN_PAGE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "cli/command.h"

namespace cairn::cli {

// cairn(1), and cairn-policy-check(1) for the command "policy check".
std::string ProgramPage(absl::Span<const Command> commands);
std::string CommandPage(const Command& command);
std::string PageName(const Command& command);

// agent.yaml(5): the commented file itself, which has every key.
std::string ConfigPage(absl::string_view name, absl::string_view yaml);

// A page from Markdown of the plain kind: its first line is "# NAME(SECTION) -- summary"; then "##"
// headings, paragraphs, "- " lists, indented or fenced code, `code` and **bold**. A line "{{help}}"
// becomes `help`, verbatim.
std::string TextPage(absl::string_view markdown, absl::string_view help);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_MAN_PAGE_H_
