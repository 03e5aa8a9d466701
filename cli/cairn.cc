// cairn: the person's side of it.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/suggest.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/help.h"

namespace cairn::cli {
namespace {

// The command that `words` begin with; `used` receives how many words name it.
const Command* FindCommand(absl::Span<const char* const> words, size_t* used) {
  for (const Command& command : Commands()) {
    const std::vector<absl::string_view> parts = absl::StrSplit(command.name, ' ');
    bool same = words.size() >= parts.size();
    for (size_t i = 0; same && i < parts.size(); ++i) same = parts[i] == words[i];
    if (!same) continue;
    *used = parts.size();
    return &command;
  }
  return nullptr;
}

int Unknown(absl::Span<const char* const> words) {
  std::vector<absl::string_view> names;
  for (const Command& command : Commands()) names.push_back(command.name);
  std::string name = words[0];
  if (words.size() > 1 && words[1][0] != '-') absl::StrAppend(&name, " ", words[1]);
  return Fail(kUsage, absl::StrCat("no command '", name, "'", DidYouMean(name, names),
                                   "; `cairn --help` lists them"));
}

int RunCommand(const Command& command, absl::Span<const char* const> words) {
  for (const absl::string_view word : words) {
    if (word == "--") break;
    if (word == "--help") return std::fputs(CommandHelp(command).c_str(), stdout) < 0;
  }
  const auto arguments = ParseArguments(command.options, words);
  const std::string usage = absl::StrCat("usage: ", UsageLine(command));
  if (!arguments.ok()) {
    return Fail(kUsage, absl::StrCat(command.name, ": ", std::string(arguments.status().message()),
                                     "; ", usage));
  }
  const int count = static_cast<int>(arguments->words().size());
  if (count < command.min_words || (command.max_words >= 0 && count > command.max_words)) {
    return Fail(kUsage, usage);
  }
  return command.run(*arguments);
}

int Main(absl::Span<const char* const> words) {
  if (words.empty()) {
    std::fputs(ProgramHelp(Commands()).c_str(), stderr);
    return kUsage;
  }
  const absl::string_view first = words[0];
  if (first == "--help" || first == "help") {
    return std::fputs(ProgramHelp(Commands()).c_str(), stdout) < 0;
  }
  if (first == "--version") return std::printf("cairn %s\n", kVersion) < 0;
  size_t used = 0;
  const Command* command = FindCommand(words, &used);
  return command == nullptr ? Unknown(words) : RunCommand(*command, words.subspan(used));
}

}  // namespace
}  // namespace cairn::cli

int main(int argc, char** argv) {
  const std::vector<const char*> words(argv + 1, argv + argc);
  return cairn::cli::Main(words);
}
