#include "cli/policy_files.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "cli/logs.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxPolicyBytes = 4 << 20;

bool IsDirectory(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

void ReadFileWord(const std::string& path, policy::PolicyFiles* files,
                  std::vector<policy::Problem>* problems) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxPolicyBytes);
  if (!text.ok()) {
    problems->push_back({path, {0, 0}, std::string(text.status().message())});
    return;
  }
  files->sources.push_back(policy::ReadSource(path, *std::move(text), problems));
}

}  // namespace

const Option kEnvironmentOption = {"--environment", "NAME",
                                   "judge as a host of this environment does"};

ReadPolicy ReadPolicyWords(const Arguments& arguments, const std::vector<std::string>& words) {
  ReadPolicy read;
  const auto config = AgentConfigOf(arguments);
  policy::LoadOptions options;
  if (config.ok()) options.environment = config->environment();
  options.environment = arguments.Get("--environment", options.environment);
  std::vector<std::string> paths = words;
  if (paths.empty() && config.ok()) paths.push_back(config->policy().dir());
  options.check_permissions = words.empty();
  if (words.empty() && config.ok()) {  // the host's own: as cairnd would take it
    const auto& files = config->policy();
    options.require_signed = files.require_signed();
    options.trusted_keys = {files.trusted_keys().begin(), files.trusted_keys().end()};
    options.signatures = files.signatures();
    options.reserved = {files.reserved().begin(), files.reserved().end()};
  }
  policy::PolicyFiles files;
  for (const std::string& path : paths) {
    if (!IsDirectory(path)) {
      ReadFileWord(path, &files, &read.problems);
      continue;
    }
    options.dir = path;
    policy::PolicyFiles more = policy::ReadPolicyFiles(options, &read.problems);
    for (policy::Source& source : more.sources) files.sources.push_back(std::move(source));
  }
  read.files = files.sources.size();
  for (const policy::Source& source : files.sources) read.texts[source.name] = source.text;
  // What can be told of the parts that were read is told too: all errors at once.
  auto policy = policy::CompilePolicy(std::move(files.sources), policy::CompileOptionsOf(options),
                                      &read.problems);
  if (read.problems.empty()) read.policy = std::move(policy);
  return read;
}

int PrintProblems(const ReadPolicy& read) { return PrintProblems(read.problems, read.texts); }

absl::StatusOr<std::string> LogDirOf(const Arguments& arguments) {
  if (arguments.Has("--log")) return arguments.Get("--log");
  ASSIGN_OR_RETURN(const std::vector<std::string> logs, LogsOf(Arguments()));
  return logs.front();
}

absl::Status ForEachRecord(const std::string& log,
                           absl::FunctionRef<bool(const ledger::LoggedRecord&)> visit) {
  ASSIGN_OR_RETURN(const auto reader, ledger::LogReader::Open(log));
  ledger::LoggedRecord logged;
  for (;;) {
    ASSIGN_OR_RETURN(const ledger::ReadEnd end, reader->Next(&logged));
    if (end != ledger::ReadEnd::kRecord || !visit(logged)) return absl::OkStatus();
  }
}

}  // namespace cairn::cli
