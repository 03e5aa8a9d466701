// What `cairn --help` and `cairn COMMAND --help` print.
#ifndef CAIRN_CLI_HELP_H_
#define CAIRN_CLI_HELP_H_

#include <string>

#include "absl/types/span.h"
#include "cli/command.h"

namespace cairn::cli {

// "cairn verify [OPTION]… DIR|FILE"
std::string UsageLine(const Command& command);
// "  -f, --follow T      help" for each option.
std::string OptionLines(const Command& command);
std::string CommandHelp(const Command& command);
std::string ProgramHelp(absl::Span<const Command> commands);
// Exit codes, as every help ends with.
std::string ExitCodeLines();

}  // namespace cairn::cli

#endif  // CAIRN_CLI_HELP_H_
