#include "agent/metrics.h"

#include "base/metrics_server.h"

namespace cairn::agent {
namespace {

void AddLog(const control::Status& status, PrometheusText* text) {
  text->Gauge("cairn_log_blocks", "Blocks in the log", status.size());
  text->Gauge("cairn_checkpoint_blocks", "Blocks that the newest durable checkpoint covers",
              status.checkpoint_size());
  text->Gauge("cairn_epoch", "Number of the open segment", status.epoch());
  text->Gauge("cairn_segment_bytes", "Bytes in the open segment", status.segment_bytes());
  text->Counter("cairn_stored_bytes_total", "Bytes of blocks written", status.stored_bytes());
  text->Gauge("cairn_storage_fault", "1 while the log cannot be written",
              status.storage_fault().empty() ? 0 : 1);
}

void AddPolicy(const control::Status& status, PrometheusText* text) {
  text->Gauge("cairn_policy_generation", "Rises with every change of policy",
              status.policy_generation());
  text->Gauge("cairn_policy_errors", "Errors in the policy files as they stand",
              status.policy_errors_size());
  text->Gauge("cairn_policy_info", "1, labelled with the policy in force", 1,
              {{"rung", status.policy_rung()}});
  text->Gauge("cairn_degraded", "1 while the agent does less than it was told to",
              status.policy_rung() != "configured" || status.backend() == "audit-only" ||
                      !status.storage_fault().empty()
                  ? 1
                  : 0);
}

}  // namespace

std::string AgentMetrics(const control::Status& status) {
  PrometheusText text;
  text.Gauge("cairn_up", "1 where cairnd answers", 1);
  text.Gauge("cairn_build_info", "1, labelled with what runs", 1,
             {{"version", status.version()},
              {"backend", status.backend()},
              {"audit", status.audit_mode()},
              {"environment", status.environment()}});
  text.Gauge("cairn_start_timestamp_seconds", "When cairnd started",
             static_cast<double>(status.started_wall_ns()) / 1e9);
  text.Gauge("cairn_resident_bytes", "Memory of cairnd",
             static_cast<double>(status.resident_bytes()));
  for (const auto& event : status.events()) {
    text.Counter("cairn_events_total", "Records written, by event", event.count(),
                 {{"event", event.event()}});
  }
  text.Counter("cairn_events_seen_total", "Events that reached the policy", status.seen());
  text.Counter("cairn_events_counted_total", "Wanted events that were counted alone",
               status.counted());
  text.Counter("cairn_events_dropped_total", "Events that no rule wants", status.dropped());
  text.Counter("cairn_events_refused_total", "Wanted events that the disk did not take",
               status.refused());
  if (status.losses().empty()) {
    text.Counter("cairn_lost_total", "Events lost and declared in the log, by cause", 0,
                 {{"source", "ebpf"}, {"reason", "ring_full"}});
  }
  for (const auto& loss : status.losses()) {
    text.Counter("cairn_lost_total", "Events lost and declared in the log, by cause", loss.count(),
                 {{"source", loss.source()}, {"reason", loss.reason()}});
  }
  AddLog(status, &text);
  AddPolicy(status, &text);
  for (const auto& receipt : status.receipts()) {
    text.Gauge("cairn_last_receipt_timestamp_seconds", "When a collector last receipted the log",
               static_cast<double>(receipt.time_s()), {{"collector", receipt.collector()}});
  }
  for (const auto& receipt : status.receipts()) {
    text.Gauge("cairn_receipted_blocks", "Blocks that a collector receipted",
               static_cast<double>(receipt.size()), {{"collector", receipt.collector()}});
  }
  return text.text();
}

}  // namespace cairn::agent
