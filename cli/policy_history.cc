// cairn policy history: every change of policy that a log holds.
#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "cli/logs.h"
#include "cli/policy_files.h"
#include "policy/event_json.h"
#include "proto/names.h"

namespace cairn::cli {
namespace {

std::string ChangeText(const ledger::LoggedRecord& logged) {
  const PolicyChange& change = logged.record->policy();
  std::string text = absl::StrCat(
      policy::FormatWallTime(logged.wall_ns), "  ", EventName(logged.record->type()), "  ",
      EscapeBytes(change.rung()), "  ", absl::BytesToHexString(change.new_digest()).substr(0, 16),
      change.serial() != 0 ? absl::StrCat("  serial ", change.serial()) : "", "  record ",
      logged.sequence, "\n");
  const auto line = [&](absl::string_view what, absl::string_view value) {
    if (!value.empty()) absl::StrAppend(&text, "    ", what, " ", EscapeBytes(value), "\n");
  };
  line("by", change.trigger());
  if (change.requester_pid() != 0) {
    line("requester",
         absl::StrCat("pid ", change.requester_pid(), " uid ", change.requester_uid(), " auid ",
                      change.requester_auid(), " ", absl::string_view(change.requester_exe()),
                      change.requester_inferred() ? " (inferred)" : ""));
  }
  for (const Ancestor& writer : change.writer()) {
    line("written by", absl::StrCat(absl::string_view(writer.exe()), " pid ", writer.pid(), " uid ",
                                    writer.uid(), " auid ", writer.auid()));
  }
  for (const std::string& one : change.signers()) line("signed by", one);
  for (const std::string& one : change.added()) line("added", one);
  for (const std::string& one : change.removed()) line("removed", one);
  for (const std::string& one : change.weakened()) line("weakened", one);
  for (const std::string& one : change.strengthened()) line("strengthened", one);
  for (const std::string& one : change.errors()) line("error", one);
  return text;
}

int RunHistory(const Arguments& arguments) {
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  for (const std::string& log : *logs) {
    const absl::Status status = ForEachRecord(log, [](const ledger::LoggedRecord& logged) {
      if (logged.record->has_policy()) std::fputs(ChangeText(logged).c_str(), stdout);
      return true;
    });
    if (!status.ok()) return Fail(status);
  }
  return kOk;
}

}  // namespace

Command PolicyHistoryCommand() {
  Command command;
  command.name = "policy history";
  command.arguments = "[DIR|FILE…]";
  command.summary = "Print every change of policy that a log holds";
  command.details =
      "When, what, who asked for it, who wrote the file, what it weakened, and what was refused. "
      "Nothing is verified: see `cairn verify`.";
  command.options = {kConfigOption};
  command.max_words = -1;
  command.run = RunHistory;
  return command;
}

}  // namespace cairn::cli
