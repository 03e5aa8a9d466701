#include "collector/console/host_summary.h"

#include <sys/stat.h>

#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "ledger/format.h"
#include "ledger/note.h"
#include "ledger/search.h"
#include "ledger/segments.h"
#include "policy/event_json.h"
#include "policy/json.h"

namespace cairn::collector {
namespace {

constexpr absl::Duration kFresh = absl::Seconds(1);
constexpr absl::Duration kSearchWithin = absl::Milliseconds(500);
constexpr absl::Duration kLossSince = absl::Hours(24);
constexpr size_t kMaxLosses = 10000;

struct Said {
  uint64_t wall_ns = 0;
  Record record;
};

// The newest `limit` records of a type.
std::vector<Said> Newest(LogView* log, EventType type, size_t limit, uint64_t since_ns = 0) {
  ledger::SearchQuery query;
  query.terms.types.set(static_cast<size_t>(type));
  query.terms.since_ns = since_ns;
  query.wants = [type](const ledger::LoggedRecord& logged) {
    return logged.record->type() == type;
  };
  query.show = [](const ledger::LoggedRecord& logged) {
    return logged.record->SerializeAsString();
  };
  query.limit = limit;
  query.deadline = absl::Now() + kSearchWithin;
  ledger::LogIndex* const logs[] = {log->index.get()};
  std::vector<Said> said;
  for (const ledger::Found& found : ledger::Search(logs, query).records) {
    said.emplace_back().wall_ns = found.key.wall_ns;
    said.back().record.ParseFromString(found.shown);
  }
  return said;
}

void AddRun(LogView* log, policy::JsonObject* json, std::vector<std::string>* degraded) {
  const std::vector<Said> starts = Newest(log, AGENT_START, 1);
  if (starts.empty()) return;
  const AgentRun& run = starts[0].record.agent();
  json->Text("hostname", run.hostname());
  json->Text("environment", run.environment());
  json->Text("version", run.version());
  json->Text("kernel", run.kernel());
  json->Text("backend", run.backend());
  json->Text("audit", run.audit_mode());
  json->Text("started", policy::FormatWallTime(starts[0].wall_ns));
  for (const Said& notice : Newest(log, AGENT_DEGRADED, 8, starts[0].wall_ns)) {
    degraded->push_back(notice.record.notice().what() + ": " + notice.record.notice().detail());
  }
  for (const Said& fault : Newest(log, AGENT_STORAGE_FAULT, 1, starts[0].wall_ns)) {
    degraded->push_back("storage fault: " + fault.record.notice().detail());
  }
}

void AddPolicy(LogView* log, policy::JsonObject* json, std::vector<std::string>* degraded) {
  const std::vector<Said> loads = Newest(log, AGENT_POLICY_LOADED, 1);
  if (loads.empty()) return;
  const PolicyChange& change = loads[0].record.policy();
  policy::JsonObject one;
  one.Number("generation", change.new_generation());
  one.Text("digest", absl::BytesToHexString(change.new_digest()));
  one.Text("rung", change.rung());
  one.Text("since", policy::FormatWallTime(loads[0].wall_ns));
  json->Raw("policy", one.Done());
  if (change.rung() != "configured") degraded->push_back("policy: " + change.rung());
}

void AddVerified(LogView* log, policy::JsonObject* json) {
  const auto file = ledger::ReadCheckpointFile(log->index->log_dir());
  if (!file.ok()) return;
  const auto note = ledger::Note::Parse(file->note);
  if (!note.ok()) return;
  const auto checkpoint = ledger::Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return;
  struct stat st;
  const std::string path = log->index->log_dir() + "/" + std::string(ledger::kCheckpointFile);
  policy::JsonObject one;
  one.Number("blocks", checkpoint->size);
  if (::stat(path.c_str(), &st) == 0) {
    one.Text("time", policy::FormatWallTime(static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000 +
                                            static_cast<uint64_t>(st.st_mtim.tv_nsec)));
  }
  one.Number("signatures", note->signatures.size());
  json->Raw("verified", one.Done());
}

uint64_t LostSince(LogView* log, uint64_t since_ns) {
  uint64_t lost = 0;
  for (const Said& loss : Newest(log, AGENT_LOSS, kMaxLosses, since_ns)) {
    lost += loss.record.loss().count();
  }
  return lost;
}

std::string Make(LogView* log) {
  policy::JsonObject json;
  std::vector<std::string> degraded;
  json.Text("host", log->host);
  json.Text("log", log->id());
  json.Text("deployment", log->deployment);
  json.Text("incarnation", log->incarnation);
  uint64_t last_ns = 0;
  for (const auto& segment : log->index->Segments()) {
    if (segment.max_wall_ns != UINT64_MAX) last_ns = std::max(last_ns, segment.max_wall_ns);
  }
  if (last_ns > 0) json.Text("last_seen", policy::FormatWallTime(last_ns));
  AddRun(log, &json, &degraded);
  AddPolicy(log, &json, &degraded);
  AddVerified(log, &json);
  json.Number("records", log->index->next_sequence());
  const auto day_ago = absl::ToUnixNanos(absl::Now() - kLossSince);
  json.Number("lost", LostSince(log, static_cast<uint64_t>(day_ago)));
  json.Texts("degraded", degraded);
  return json.Done();
}

}  // namespace

std::string HostSummaries::Of(LogView* log) {
  const uint64_t now_at = log->index->next_sequence();
  {
    const absl::MutexLock lock(&mutex_);
    const auto known = known_.find(log->id());
    if (known != known_.end() &&
        (known->second.at_sequence == now_at || absl::Now() - known->second.made < kFresh)) {
      return known->second.json;
    }
  }
  std::string json = Make(log);
  const absl::MutexLock lock(&mutex_);
  known_[log->id()] = {now_at, absl::Now(), json};
  return json;
}

}  // namespace cairn::collector
