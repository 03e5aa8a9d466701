// Policies as the command line names them.
#ifndef CAIRN_CLI_POLICY_FILES_H_
#define CAIRN_CLI_POLICY_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cli/problems.h"
#include "ledger/reader.h"
#include "policy/load.h"

namespace cairn::cli {

extern const Option kEnvironmentOption;

struct ReadPolicy {
  std::shared_ptr<policy::CompiledPolicy> policy;  // null: `problems` say why
  std::vector<policy::Problem> problems;
  size_t files = 0;
  FileTexts texts;
};

// Reads and compiles `words` (files, directories; the host's own directory when empty) together.
// Inline tests are not run. Owners and modes are checked for the host's own directory alone.
ReadPolicy ReadPolicyWords(const Arguments& arguments, const std::vector<std::string>& words);

// What cairnd judges by while the host's own files do not load: the rung below that holds, named
// on stderr. Null: there is no configuration.
std::shared_ptr<const policy::CompiledPolicy> PolicyInForce(const Arguments& arguments);

// Prints every problem of `read` on stderr. Returns kBadPolicy.
int PrintProblems(const ReadPolicy& read);

// Calls `visit` with each record of `log`; it returns false to stop.
absl::Status ForEachRecord(const std::string& log,
                           absl::FunctionRef<bool(const ledger::LoggedRecord&)> visit);

Command PolicyExplainCommand();
Command PolicySimulateCommand();
Command PolicyHistoryCommand();
Command PolicySchemaCommand();
Command PolicyLoadCommand();
std::vector<Command> PolicyBundleCommands();
Command PolicyImportCommand();

}  // namespace cairn::cli

#endif  // CAIRN_CLI_POLICY_FILES_H_
