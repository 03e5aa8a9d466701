// cairn status: what cairnd says of itself.
#include "cli/status.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/agent_config.h"
#include "base/control_frame.h"
#include "base/escape.h"
#include "base/human.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/logs.h"
#include "cli/terminal.h"
#include "proto/control.pb.h"

namespace cairn::cli {

using control::Status;
namespace {

constexpr int kTimeoutMs = 5000;

}  // namespace

absl::StatusOr<Status> AskStatus(const Arguments& arguments) {
  // A broken file is no reason to be silent: the daemon that runs all the same tells of it.
  const auto read = AgentConfigOf(arguments);
  const config::AgentConfig config = read.ok() ? *read : DefaultAgentConfig();
  control::Request request;
  request.set_verb(control::Request::STATUS);
  ASSIGN_OR_RETURN(const std::string body,
                   CallControl(arguments.Get("--socket", config.control().socket()),
                               request.SerializeAsString(), kTimeoutMs));
  control::Reply reply;
  if (!reply.ParseFromString(body)) return absl::UnavailableError("cairnd's answer is none");
  if (!reply.error().empty()) return absl::UnavailableError(reply.error());
  return reply.status();
}

std::string StatusJson(const Status& status) {
  JsonObject json;
  json.Text("version", status.version());
  json.Text("config_error", status.config_error());
  json.Text("origin", status.origin());
  json.Text("hostname", status.hostname());
  json.Text("environment", status.environment());
  json.Text("started", policy::FormatWallTime(status.started_wall_ns()));
  json.Text("backend", status.backend());
  json.Text("backend_reason", status.backend_reason());
  json.Text("audit", status.audit_mode());
  json.Text("audit_reason", status.audit_reason());
  json.Text("canary", status.canary());
  json.Text("protection", status.protection());
  json.Text("pins", status.pins());
  json.Text("policy_rung", status.policy_rung());
  json.Number("policy_generation", status.policy_generation());
  json.Text("policy_digest", absl::BytesToHexString(status.policy_digest()));
  json.Texts("policy_files", {status.policy_files().begin(), status.policy_files().end()});
  json.Texts("policy_errors", {status.policy_errors().begin(), status.policy_errors().end()});
  json.Number("condition_errors", status.condition_errors());
  json.Texts("condition_error", {status.condition_error().begin(), status.condition_error().end()});
  json.Number("quarantined", status.quarantined());
  json.Text("log", status.log_dir());
  json.Number("epoch", status.epoch());
  json.Number("size", status.size());
  json.Number("checkpoint_size", status.checkpoint_size());
  json.Number("stored_bytes", status.stored_bytes());
  json.Text("storage_fault", status.storage_fault());
  json.Number("seen", status.seen());
  json.Number("recorded", status.recorded());
  json.Number("counted", status.counted());
  json.Number("dropped", status.dropped());
  json.Number("lost", status.lost());
  json.Number("refused", status.refused());
  json.Number("limited", status.limited());
  json.Number("resident_bytes", status.resident_bytes());
  std::vector<std::string> receipts;
  for (const auto& receipt : status.receipts()) {
    JsonObject one;
    one.Text("collector", receipt.collector());
    one.Number("size", receipt.size());
    one.Number("time_s", receipt.time_s());
    receipts.push_back(one.Done());
  }
  json.Raw("receipts", JsonArray(receipts));
  JsonObject events;
  for (const auto& event : status.events()) events.Number(event.event(), event.count());
  json.Raw("events", events.Done());
  return json.Done();
}

namespace {

class Screen {
 public:
  Screen() : colour_(WantsColour(STDOUT_FILENO)) {}
  void Line(absl::string_view name, absl::string_view text, absl::string_view hue = "") {
    absl::StrAppend(&text_, Paint(Pad(name, 10), "1", colour_), " ",
                    Paint(EscapeBytes(text), hue, colour_), "\n");
  }
  void Print() const { std::fputs(text_.c_str(), stdout); }

 private:
  const bool colour_;
  std::string text_;
};

void ShowLog(const Status& status, Screen* screen) {
  screen->Line("log", absl::StrCat(status.log_dir(), ", epoch ", status.epoch(), ", ",
                                   HumanCount(status.size()), " blocks, checkpoint at ",
                                   HumanCount(status.checkpoint_size())));
  screen->Line("recorded", absl::StrCat(HumanCount(status.recorded()), " records, ",
                                        HumanBytes(status.stored_bytes()), " since start; ",
                                        HumanCount(status.counted()), " counted alone, ",
                                        HumanCount(status.dropped()), " not wanted"));
  screen->Line("lost", absl::StrCat(HumanCount(status.lost())), status.lost() > 0 ? "1;31" : "32");
  for (const auto& loss : status.losses()) {
    screen->Line("",
                 absl::StrCat(HumanCount(loss.count()), " ", loss.source(), ", ", loss.reason()));
  }
  if (status.quarantined() > 0) {
    screen->Line("quarantine",
                 absl::StrCat(HumanCount(status.quarantined()),
                              " records that did not fit their schema or a block"),
                 "1;31");
  }
  if (!status.storage_fault().empty()) screen->Line("storage", status.storage_fault(), "1;31");
}

void ShowReceipts(const Status& status, Screen* screen) {
  if (status.receipts().empty()) screen->Line("receipt", "none yet", "33");
  for (const auto& receipt : status.receipts()) {
    const absl::Duration age =
        absl::Now() - absl::FromUnixSeconds(static_cast<int64_t>(receipt.time_s()));
    screen->Line("receipt", absl::StrCat(receipt.collector(), " holds ", HumanCount(receipt.size()),
                                         " blocks, ", HumanAge(age), " ago"));
  }
}

void PrintScreen(const Status& status) {
  Screen screen;
  const absl::Time started = absl::FromUnixNanos(static_cast<int64_t>(status.started_wall_ns()));
  screen.Line("cairnd",
              absl::StrCat(status.version(), " on ", status.hostname(), " (", status.environment(),
                           "), up ", HumanAge(absl::Now() - started), ", ",
                           HumanBytes(status.resident_bytes())));
  if (!status.config_error().empty()) screen.Line("config", status.config_error(), "1;31");
  screen.Line("origin", status.origin());
  const bool degraded = status.backend() == "audit-only";
  screen.Line("capture", absl::StrCat(status.backend(), " (", status.backend_reason(), ")"),
              degraded ? "33" : "");
  screen.Line("audit", absl::StrCat(status.audit_mode(), " (", status.audit_reason(), ")"));
  const bool missing = absl::StrContains(status.canary(), "missing");
  screen.Line("canary", status.canary(), missing ? "1;33" : "");
  if (status.protection() != "off") {
    screen.Line("protection", status.protection(), status.protection() == "on" ? "" : "33");
  }
  const bool configured = status.policy_rung() == "configured";
  screen.Line(
      "policy",
      absl::StrCat(status.policy_rung(), ", generation ", status.policy_generation(), ", digest ",
                   absl::BytesToHexString(status.policy_digest()).substr(0, 16), ", ",
                   status.policy_files_size(), " files"),
      configured ? "" : "1;33");
  for (const std::string& error : status.policy_errors()) screen.Line("", error, "31");
  for (const std::string& error : status.condition_error()) {
    screen.Line("", absl::StrCat("condition of ", error), "33");
  }
  ShowLog(status, &screen);
  ShowReceipts(status, &screen);
  screen.Print();
}

int RunStatus(const Arguments& arguments) {
  const std::string format = arguments.Get("--output", "text");
  if (format != "text" && format != "json") return Fail(kUsage, "status: -o is text or json");
  const auto status = AskStatus(arguments);
  if (!status.ok()) return Fail(status.status());
  format == "json" ? (void)std::puts(StatusJson(*status).c_str()) : PrintScreen(*status);
  return kOk;
}

}  // namespace

Command StatusCommand() {
  Command command;
  command.name = "status";
  command.summary = "Show how the agent on this host is doing";
  command.options = {{"--output", "FORMAT", "text (default) or json", 'o'},
                     {"--socket", "PATH", "cairnd's control socket (control.socket of agent.yaml)"},
                     kConfigOption};
  command.run = RunStatus;
  return command;
}

}  // namespace cairn::cli
