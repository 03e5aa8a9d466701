#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/support.h"

namespace cairn::cli {

Command ExportCommand();  // cli/export.cc

absl::Span<const Command> Commands() {
  static const auto* commands = [] {
    auto* all = new std::vector<Command>;
    const auto add = [all](std::vector<Command> some) {
      for (Command& command : some) all->push_back(std::move(command));
    };
    all->push_back(StatusCommand());
    all->push_back(DoctorCommand());
    all->push_back(SupportCommand());
    all->push_back(MetricsCommand());
    all->push_back(EventsCommand());
    all->push_back(ReportCommand());
    all->push_back(VerifyCommand());
    all->push_back(CheckpointCommand());
    all->push_back(ProveCommand());
    all->push_back(ExportCommand());
    add(PolicyCommands());
    add(KeyCommands());
    all->push_back(EnrolCommand());
    all->push_back(CompletionCommand());
    return all;
  }();
  return *commands;
}

int Fail(ExitCode code, absl::string_view message) {
  std::fputs(absl::StrCat("cairn: ", EscapeBytes(message), "\n").c_str(), stderr);
  return code;
}

ExitCode CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      return kNoPrivilege;
    case absl::StatusCode::kUnavailable:
      return kUnreachable;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kResourceExhausted:
      return kBadInput;
    default:
      return kFailed;
  }
}

int Fail(const absl::Status& status) { return Fail(CodeOf(status), status.message()); }

}  // namespace cairn::cli
