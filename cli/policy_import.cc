// cairn policy import-auditd.
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/io.h"
#include "cli/policy_files.h"
#include "policy/import_auditd.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxFile = 4 << 20;

int RunImport(const Arguments& arguments) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string& path : arguments.words()) {
    auto text = ReadFile(path, kMaxFile);
    if (!text.ok()) return Fail(text.status());
    files.emplace_back(path, *std::move(text));
  }
  const policy::Import import = policy::ImportAuditd(files);
  std::map<policy::ImportedLine::Fate, int> counts;
  for (const policy::ImportedLine& line : import.lines) {
    ++counts[line.fate];
    std::fputs(absl::StrCat(EscapeBytes(line.file), ":", line.line, ": ",
                            policy::FateName(line.fate), ": ", EscapeBytes(line.text),
                            line.reason.empty() ? "" : "\n    ", EscapeBytes(line.reason), "\n")
                   .c_str(),
               stderr);
  }
  std::string summary = absl::StrCat(import.lines.size(), " lines:");
  for (const auto& [fate, count] : counts) {
    absl::StrAppend(&summary, " ", count, " ", policy::FateName(fate));
  }
  std::fputs((summary + "\n").c_str(), stderr);
  std::fputs(import.yaml.c_str(), stdout);
  return kOk;
}

}  // namespace

Command PolicyImportCommand() {
  Command command;
  command.name = "policy import-auditd";
  command.arguments = "FILE…";
  command.summary = "Turn auditd's rules into a policy";
  command.details =
      "The policy goes to stdout; what became of each line, and why, to stderr. What only the "
      "kernel's audit can do is named, to be left there: cairn records what it reports.";
  command.min_words = 1;
  command.max_words = -1;
  command.run = RunImport;
  return command;
}

}  // namespace cairn::cli
