// What cairnd answers on the control socket.
#include "absl/strings/str_cat.h"
#include "agent/daemon.h"
#include "agent/metrics.h"
#include "agent/own_records.h"
#include "base/clock.h"
#include "base/host.h"
#include "base/version.h"
#include "proto/names.h"

namespace cairn::agent {

namespace {

void FillConditionErrors(const policy::Policy& policy, control::Status* status) {
  uint64_t all = 0;
  for (const policy::ConditionError& error : policy.condition_errors()) {
    all += error.count;
    if (status->condition_error_size() == 20) continue;
    status->add_condition_error(absl::StrCat(error.id, ": ", error.count,
                                             error.count == 1 ? " time: " : " times: ", error.why));
  }
  status->set_condition_errors(all);
}

}  // namespace

void Daemon::FillStatus(control::Status* status) const {
  FillHost(status);
  FillPolicy(status);
  FillLog(status);
  FillCounts(status);
}

void Daemon::FillHost(control::Status* status) const {
  status->set_version(kVersion);
  status->set_origin(origin_);
  status->set_hostname(HostName());
  status->set_environment(config_.environment());
  status->set_started_wall_ns(started_wall_ns_);
  status->set_now_wall_ns(WallNs());
  status->set_config_error(config_error_);
  status->set_backend(capture_->backend());
  status->set_backend_reason(capture_->backend_reason());
  status->set_audit_mode(capture_->audit_mode());
  status->set_audit_reason(capture_->audit_reason());
  status->set_protection(capture_->protection());
  status->set_canary(capture_->canary());
  status->set_pins(capture_->pins());
  status->set_resident_bytes(ResidentBytes());
}

void Daemon::FillPolicy(control::Status* status) const {
  const policy::LoadResult& policy = reloader_->current();
  status->set_policy_generation(reloader_->generation());
  status->set_policy_digest(policy.policy->digest());
  status->set_policy_rung(std::string(policy::RungName(policy.rung)));
  for (const std::string& error : reloader_->errors()) {
    if (status->policy_errors_size() == 20) break;
    status->add_policy_errors(error);
  }
  status->set_policy_requests(reloader_->requests());
  status->set_policy_loads(reloader_->loads());
  FillConditionErrors(*policy.policy, status);
  for (const std::string& file : policy.change.files()) {
    if (status->policy_files_size() == 100) break;
    status->add_policy_files(file);
  }
}

void Daemon::FillLog(control::Status* status) const {
  const ledger::LedgerStats log = ledger_->stats();
  status->set_log_dir(log_dir_);
  status->set_size(log.size);
  status->set_checkpoint_size(log.checkpoint_size);
  status->set_epoch(log.epoch);
  status->set_records(log.records);
  status->set_stored_bytes(log.stored_bytes);
  status->set_segment_bytes(log.segment_bytes);
  const absl::Status& fault = recorder_->faulty() ? recorder_->fault() : log.fault;
  if (!fault.ok()) status->set_storage_fault(std::string(fault.message()));

  status->set_disk_step(std::string(DiskStepName(keeper_->room().step())));
  status->set_log_bytes(keeper_->room().log_bytes());
  status->set_first_epoch(keeper_->room().first_epoch());
  for (const auto& [name, receipt] : receipts_->newest()) {
    auto* newest = status->add_receipts();
    newest->set_collector(name);
    newest->set_size(receipt.size());
    newest->set_time_s(receipt.time_s());
  }
}

void Daemon::FillCounts(control::Status* status) const {
  const Counts& counts = recorder_->counts();
  status->set_seen(counts.seen);
  status->set_recorded(counts.recorded);
  status->set_counted(counts.counted);
  status->set_dropped(counts.dropped);
  status->set_lost(counts.lost);
  status->set_refused(counts.refused);
  status->set_limited(counts.limited);
  status->set_quarantined(counts.quarantined);
  for (const auto& [key, count] : counts.loss_by) {
    auto* loss = status->add_losses();
    loss->set_source(key.first);
    loss->set_reason(key.second);
    loss->set_count(count);
  }
  for (size_t type = 0; type < counts.by_type.size(); ++type) {
    if (counts.by_type[type] == 0) continue;
    auto* event = status->add_events();
    event->set_event(std::string(EventName(static_cast<EventType>(type))));
    event->set_count(counts.by_type[type]);
  }
}

control::Reply Daemon::Answer(const Peer& peer, const control::Request& request) {
  control::Reply reply;
  Requester requester;
  requester.trigger = "control";
  requester.pid = peer.pid;
  requester.uid = peer.uid;
  const bool changes = request.verb() == control::Request::RELOAD ||
                       request.verb() == control::Request::ROTATE ||
                       request.verb() == control::Request::ROTATE_KEY;
  if (changes && peer.uid != 0) {
    reply.set_error(absl::StrCat("only root may do that; you are uid ", peer.uid));
    return reply;
  }
  switch (request.verb()) {
    case control::Request::STATUS:
      FillStatus(reply.mutable_status());
      break;
    case control::Request::METRICS: {
      control::Status status;
      FillStatus(&status);
      reply.set_text(AgentMetrics(status));
      break;
    }
    case control::Request::RELOAD:
      reloader_->Request(requester);
      FillStatus(reply.mutable_status());
      break;
    case control::Request::ROTATE:
      Rotate("control");
      break;
    case control::Request::ROTATE_KEY:
      if (const absl::Status rotated = RotateKey(); !rotated.ok()) {
        // Without a log there is nothing to go on with: the next start tries again.
        reply.set_error(std::string(rotated.message()));
        stop_reason_ = absl::StrCat("key rotation failed: ", rotated.message());
        stopping_ = true;
        break;
      }
      FillStatus(reply.mutable_status());
      break;
    default:
      reply.set_error("an unknown request");
  }
  return reply;
}

}  // namespace cairn::agent
