#include "tests/policy/test_policy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace cairn::policy {

PolicyDir::PolicyDir() {
  char path[] = "/tmp/cairn-policy-XXXXXX";
  dir_ = ::mkdtemp(path);
}

PolicyDir::~PolicyDir() { (void)!std::system(("rm -rf " + dir_).c_str()); }

void PolicyDir::Write(const std::string& name, const std::string& text) const {
  std::ofstream(dir_ + "/" + name, std::ios::binary) << text;
  ::chmod((dir_ + "/" + name).c_str(), 0644);
}

std::shared_ptr<CompiledPolicy> Compile(const std::vector<std::string>& texts,
                                        std::vector<Problem>* problems,
                                        const std::string& environment) {
  std::vector<Source> sources;
  for (const std::string& text : texts) {
    sources.push_back(ReadSource(absl::StrCat(sources.size(), ".yaml"), kHead + text, problems));
  }
  CompileOptions options;
  options.environment = environment;
  options.own_paths = {"/etc/cairn/"};
  return problems->empty() ? CompilePolicy(std::move(sources), options, problems) : nullptr;
}

std::shared_ptr<CompiledPolicy> Good(const std::string& text, const std::string& env) {
  std::vector<Problem> problems;
  auto policy = Compile({text}, &problems, env);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return policy;
}

std::string FirstError(const std::string& text) {
  std::vector<Problem> problems;
  Compile({text}, &problems);
  return problems.empty() ? "none" : problems[0].ToString();
}

Record Open(const std::string& path) {
  Record record;
  record.set_type(FILE_OPEN);
  record.mutable_file()->set_path(path);
  record.mutable_file()->set_access(1);
  return record;
}

std::string Judged(const Policy& policy, const Record& record, const Process& process,
                   uint64_t wall_ns, uint64_t time_ns) {
  Decision decision;
  policy.Decide({time_ns, &record, &process, wall_ns}, &decision);
  std::string text = decision.verdict == Verdict::kRecord  ? "record"
                     : decision.verdict == Verdict::kCount ? "count"
                                                           : "drop";
  for (const std::string* rule : decision.rules) absl::StrAppend(&text, " ", *rule);
  for (const std::string* id : decision.excepted) absl::StrAppend(&text, " !", *id);
  if (decision.silenced != nullptr) absl::StrAppend(&text, " ~", *decision.silenced);
  if (decision.limited != nullptr) absl::StrAppend(&text, " <", *decision.limited);
  return text;
}

}  // namespace cairn::policy
