#include "cli/policy_files.h"

#include <sys/stat.h>

#include <cstdio>

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
  if (config.ok()) options = policy::LoadOptionsOf(*config);
  options.environment = arguments.Get("--environment", options.environment);
  std::vector<std::string> paths = words;
  if (paths.empty() && config.ok()) paths.push_back(config->policy().dir());
  if (!words.empty()) {  // not the host's own: nobody's signature is asked for, no setting reserved
    options.check_permissions = options.require_signed = false;
    options.reserved.clear();
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

std::shared_ptr<const policy::CompiledPolicy> PolicyInForce(const Arguments& arguments) {
  const auto config = AgentConfigOf(arguments);
  if (!config.ok()) return nullptr;
  policy::LoadOptions options = policy::LoadOptionsOf(*config);
  options.environment = arguments.Get("--environment", options.environment);
  const policy::LoadResult loaded = policy::LoadPolicy(options, nullptr);
  std::fputs(
      absl::StrCat("cairn: by what is in force instead: ", policy::RungName(loaded.rung), "\n")
          .c_str(),
      stderr);
  return std::dynamic_pointer_cast<const policy::CompiledPolicy>(loaded.policy);
}

int PrintProblems(const ReadPolicy& read) { return PrintProblems(read.problems, read.texts); }

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
