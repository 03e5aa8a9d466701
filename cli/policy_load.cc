// cairn policy load: have cairnd take the files, and say what came of it.
#include <unistd.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/control_frame.h"
#include "base/escape.h"
#include "base/status.h"
#include "cli/logs.h"
#include "cli/policy_files.h"
#include "proto/control.pb.h"

namespace cairn::cli {
namespace {

constexpr int kAnswerMs = 5000;
constexpr absl::Duration kLoadWithin = absl::Seconds(60);

absl::StatusOr<control::Status> Ask(const std::string& socket, control::Request::Verb verb) {
  control::Request request;
  request.set_verb(verb);
  ASSIGN_OR_RETURN(const std::string body,
                   CallControl(socket, request.SerializeAsString(), kAnswerMs));
  control::Reply reply;
  if (!reply.ParseFromString(body)) return absl::UnavailableError("cairnd's answer is none");
  if (!reply.error().empty()) return absl::PermissionDeniedError(reply.error());
  return reply.status();
}

int PrintOutcome(const control::Status& status) {
  const std::string digest = absl::BytesToHexString(status.policy_digest()).substr(0, 16);
  if (status.policy_rung() == "configured") {
    std::printf("in force: generation %llu, digest %s, %d files\n",
                static_cast<unsigned long long>(status.policy_generation()), digest.c_str(),
                status.policy_files_size());
    return kOk;
  }
  for (const std::string& error : status.policy_errors()) {
    std::fputs(absl::StrCat(EscapeBytes(error), "\n").c_str(), stderr);
  }
  return Fail(kBadPolicy,
              absl::StrCat("refused; ", status.policy_rung(), " is in force: generation ",
                           status.policy_generation(), ", digest ", digest));
}

int RunLoad(const Arguments& arguments) {
  const auto config = AgentConfigOf(arguments);
  if (!config.ok()) return Fail(kBadPolicy, config.status().message());
  if (!arguments.Has("--force")) {
    ReadPolicy read = ReadPolicyWords(arguments, {});
    if (read.policy != nullptr) policy::AddTestProblems(*read.policy, &read.problems);
    if (!read.problems.empty()) return PrintProblems(read);
  }
  const std::string socket = arguments.Get("--socket", config->control().socket());
  auto status = Ask(socket, control::Request::RELOAD);
  if (!status.ok()) return Fail(status.status());
  const uint64_t ours = status->policy_requests();
  const absl::Time until = absl::Now() + kLoadWithin;
  while (status->policy_loads() < ours) {
    if (absl::Now() > until) {
      return Fail(kFailed,
                  "cairnd is still loading; `cairn policy history` will show what came "
                  "of it");
    }
    absl::SleepFor(absl::Milliseconds(50));
    status = Ask(socket, control::Request::STATUS);
    if (!status.ok()) return Fail(status.status());
  }
  return PrintOutcome(*status);
}

}  // namespace

Command PolicyLoadCommand() {
  Command command;
  command.name = "policy load";
  command.summary = "Have cairnd load its policy files now";
  command.details =
      "Waits until they are in force (the change is in the log, and receipted where a collector "
      "answers) or refused. The files are checked here first; --force leaves that to cairnd, which "
      "keeps the policy in force where they are wrong. Exit 6 when they are.";
  command.options = {kConfigOption,
                     kEnvironmentOption,
                     {"--socket", "PATH", "cairnd's control socket"},
                     {"--force", "", "do not check the files first"}};
  command.run = RunLoad;
  return command;
}

}  // namespace cairn::cli
