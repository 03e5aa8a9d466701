// cairn completion: what the shell can finish, from the same table as the help.
#include <cstdio>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"

namespace cairn::cli {
namespace {

std::string FirstWords() {
  std::set<std::string> words;
  for (const Command& command : Commands()) {
    words.insert(std::string(*absl::StrSplit(command.name, ' ').begin()));
  }
  return absl::StrJoin(words, " ");
}

std::string OptionNames(const Command& command) {
  std::string names;
  for (const Option& option : command.options) absl::StrAppend(&names, option.name, " ");
  return absl::StrCat(names, "--help");
}

// "check test" for "policy".
std::string SecondWords(absl::string_view first) {
  std::string words;
  for (const Command& command : Commands()) {
    const std::vector<absl::string_view> parts = absl::StrSplit(command.name, ' ');
    if (parts.size() == 2 && parts[0] == first) absl::StrAppend(&words, parts[1], " ");
  }
  return words;
}

std::string Bash() {
  std::string cases;
  std::set<std::string> groups;
  for (const Command& command : Commands()) {
    const std::vector<absl::string_view> parts = absl::StrSplit(command.name, ' ');
    if (parts.size() == 2) groups.insert(std::string(parts[0]));
    absl::StrAppend(&cases, "    '", command.name, "') words='", OptionNames(command), "' ;;\n");
  }
  std::string seconds;
  for (const std::string& group : groups) {
    absl::StrAppend(&seconds, "    ", group, ") words='", SecondWords(group), "' ;;\n");
  }
  return absl::StrCat(
      "_cairn() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} words=\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '",
      FirstWords(),
      " --help --version' -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  if [ \"$COMP_CWORD\" -eq 2 ]; then\n    case $first in\n",
      seconds,
      "    esac\n  fi\n"
      "  if [ -z \"$words\" ]; then\n"
      "    local command=$first\n"
      "    case \"$first ${COMP_WORDS[2]}\" in\n",
      cases,
      "    esac\n"
      "    [ -n \"$words\" ] || case $command in\n",
      cases,
      "    esac\n"
      "  fi\n"
      "  case $current in\n"
      "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
      "    *) [ \"$COMP_CWORD\" -eq 2 ] && COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "       COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n"
      "  esac\n"
      "}\n"
      "complete -o filenames -F _cairn cairn\n");
}

// Inside single quotes of zsh and fish.
std::string Quoted(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"'", "'\\''"}, {"[", "("}, {"]", ")"}, {":", " -"}});
}

std::string Zsh() {
  std::string cases;
  for (const Command& command : Commands()) {
    absl::StrAppend(&cases, "    '", command.name, "')\n      _arguments");
    for (const Option& option : command.options) {
      absl::StrAppend(&cases, " '", option.name, "[", Quoted(option.help), "]",
                      option.value.empty() ? "" : absl::StrCat(":", option.value, ":_files"), "'");
    }
    absl::StrAppend(&cases, " '*:file:_files' ;;\n");
  }
  std::string names;
  for (const Command& command : Commands()) {
    absl::StrAppend(&names, "    '", absl::StrReplaceAll(command.name, {{" ", "\\ "}}), ":",
                    Quoted(command.summary), "'\n");
  }
  return absl::StrCat("#compdef cairn\n_cairn() {\n  local -a commands=(\n", names,
                      "  )\n"
                      "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                      "  local two=\"$words[2] $words[3]\"\n  case $two in\n",
                      cases,
                      "  esac\n"
                      "  case $words[2] in\n",
                      cases, "  esac\n}\n_cairn \"$@\"\n");
}

std::string Fish() {
  std::string lines = "complete -c cairn -n __fish_use_subcommand -l help -d 'Show help'\n";
  std::set<std::string> done;
  for (const Command& command : Commands()) {
    const std::vector<std::string> parts = absl::StrSplit(command.name, ' ');
    if (done.insert(parts[0]).second) {
      absl::StrAppend(&lines, "complete -c cairn -n __fish_use_subcommand -a ", parts[0], " -d '",
                      Quoted(command.summary), "'\n");
    }
    std::string when = absl::StrCat("__fish_seen_subcommand_from ", parts[0]);
    if (parts.size() == 2) {
      absl::StrAppend(&lines, "complete -c cairn -n '", when, "' -a ", parts[1], " -d '",
                      Quoted(command.summary), "'\n");
      absl::StrAppend(&when, "; and __fish_seen_subcommand_from ", parts[1]);
    }
    for (const Option& option : command.options) {
      absl::StrAppend(&lines, "complete -c cairn -n '", when, "' -l ", option.name.substr(2),
                      option.value.empty() ? "" : " -r", " -d '", Quoted(option.help), "'\n");
    }
  }
  return lines;
}

int RunCompletion(const Arguments& arguments) {
  const std::string& shell = arguments.words()[0];
  const std::string script = shell == "bash"   ? Bash()
                             : shell == "zsh"  ? Zsh()
                             : shell == "fish" ? Fish()
                                               : "";
  if (script.empty()) return Fail(kUsage, "completion: bash, zsh or fish");
  return std::fputs(script.c_str(), stdout) < 0 ? kFailed : kOk;
}

}  // namespace

Command CompletionCommand() {
  Command command;
  command.name = "completion";
  command.arguments = "bash|zsh|fish";
  command.summary = "Print a shell's completion script";
  command.min_words = 1;
  command.max_words = 1;
  command.run = RunCompletion;
  return command;
}

}  // namespace cairn::cli
