// What a command of `cairn` is: from this one description come its help, its completion and its
// manual page.
#ifndef CAIRN_CLI_COMMAND_H_
#define CAIRN_CLI_COMMAND_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cairn::cli {

enum ExitCode {
  kOk = 0,
  kFailed = 1,  // or tampered
  kIncomplete = 2,
  kBadInput = 3,
  kNoPrivilege = 4,
  kUsage = 5,
  kBadPolicy = 6,    // or configuration
  kUnreachable = 8,  // no daemon answers
};

struct Option {
  absl::string_view name;   // "--since"
  absl::string_view value;  // "T"; "" for a switch
  absl::string_view help;   // one line, no full stop
  char letter = 0;          // 'f' for -f; 0: none
};

// What stood on the command line, checked against the command's options.
class Arguments {
 public:
  bool Has(absl::string_view name) const { return values_.contains(std::string(name)); }
  // The last value given for `name`, or `fallback`.
  std::string Get(absl::string_view name, absl::string_view fallback = "") const;
  // Every value given for `name`, in order.
  std::vector<std::string> All(absl::string_view name) const;
  const std::vector<std::string>& words() const { return words_; }  // what is no option

 private:
  friend absl::StatusOr<Arguments> ParseArguments(absl::Span<const Option>,
                                                  absl::Span<const char* const>);
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> words_;
};

struct Command {
  absl::string_view name;       // "verify", "policy check"
  absl::string_view arguments;  // "DIR|FILE", as the usage line shows it
  absl::string_view summary;    // one line, no full stop
  absl::string_view details;    // paragraphs for --help and the manual page
  std::vector<Option> options;
  int min_words = 0;
  int max_words = 0;                                 // -1: any number
  int (*run)(const Arguments& arguments) = nullptr;  // returns an ExitCode
};

// "--name value", "--name=value", "-f", "--" ends options. InvalidArgument names what it does not
// know, with the nearest option.
absl::StatusOr<Arguments> ParseArguments(absl::Span<const Option> options,
                                         absl::Span<const char* const> words);

// All commands, in the order of the help. Lives for ever.
absl::Span<const Command> Commands();

// Each file of cli/ adds its own.
Command VerifyCommand();
Command EventsCommand();
Command ReportCommand();
Command StatusCommand();
Command MetricsCommand();
Command CheckpointCommand();
Command EnrolCommand();
Command ProveCommand();
std::vector<Command> KeyCommands();
std::vector<Command> PolicyCommands();
Command CompletionCommand();

// Prints "cairn: MESSAGE" on stderr and returns `code`.
int Fail(ExitCode code, absl::string_view message);
// The exit code that fits an error about the user's input.
ExitCode CodeOf(const absl::Status& status);
int Fail(const absl::Status& status);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_COMMAND_H_
