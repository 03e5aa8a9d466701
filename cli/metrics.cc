// cairn metrics: what cairnd counts, for a scraper that reads files or programs.
#include <cstdio>

#include "base/control_frame.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/logs.h"
#include "proto/control.pb.h"

namespace cairn::cli {
namespace {

constexpr int kTimeoutMs = 5000;

absl::StatusOr<std::string> AskMetrics(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const config::AgentConfig config, AgentConfigOf(arguments));
  control::Request request;
  request.set_verb(control::Request::METRICS);
  ASSIGN_OR_RETURN(const std::string body,
                   CallControl(arguments.Get("--socket", config.control().socket()),
                               request.SerializeAsString(), kTimeoutMs));
  control::Reply reply;
  if (!reply.ParseFromString(body)) return absl::UnavailableError("cairnd's answer is none");
  if (!reply.error().empty()) return absl::UnavailableError(reply.error());
  return reply.text();
}

int RunMetrics(const Arguments& arguments) {
  const auto text = AskMetrics(arguments);
  if (!text.ok()) return Fail(text.status());
  std::fputs(text->c_str(), stdout);
  return kOk;
}

}  // namespace

Command MetricsCommand() {
  Command command;
  command.name = "metrics";
  command.summary = "Print what the agent on this host counts, as Prometheus text";
  command.details =
      "For node_exporter's textfile collector, say. cairn-shipper answers scrapers directly, on a\n"
      "Unix socket or over HTTPS (metrics: in shipper.yaml); cairnd itself opens no IP socket.";
  command.options = {{"--socket", "PATH", "cairnd's control socket (control.socket of agent.yaml)"},
                     kConfigOption};
  command.run = RunMetrics;
  return command;
}

}  // namespace cairn::cli
