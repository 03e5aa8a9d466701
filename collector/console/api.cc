#include "collector/console/api.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/escape.h"
#include "base/secret.h"
#include "base/status.h"
#include "policy/event_json.h"
#include "policy/event_line.h"
#include "policy/json.h"
#include "proto/names.h"

namespace cairn::collector {
namespace {

using policy::JsonArray;
using policy::JsonObject;

constexpr size_t kPage = 100;
constexpr size_t kMaxPage = 1000;
constexpr size_t kMaxFollowers = 256;
constexpr size_t kMaxTailChunks = 16;  // of one log, in one answer
constexpr size_t kMaxTailRows = 500;   // in one answer
constexpr absl::Duration kFollowerIdle = absl::Minutes(1);
constexpr absl::Duration kSearchWithin = absl::Seconds(2);

absl::StatusOr<ledger::TimelineKey> ParseKey(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(',', 2));
  ledger::TimelineKey key;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &key.wall_ns) ||
      !absl::SimpleAtoi(parts[1], &key.sequence)) {
    return absl::InvalidArgumentError("before: not a place in the timeline");
  }
  key.origin = UnescapeBytes(parts[2]);
  return key;
}

std::string FormatKey(const ledger::TimelineKey& key) {
  return absl::StrCat(key.wall_ns, ",", key.sequence, ",", EscapeBytes(key.origin));
}

absl::string_view SeverityName(Severity severity) {
  static constexpr absl::string_view kNames[] = {"none", "low", "medium", "high", "critical"};
  return kNames[std::clamp<int>(severity, 0, 4)];
}

std::string IndexState(StoreView* store, const ledger::SearchAnswer& answer) {
  const ledger::IndexCounts counts = store->counts();
  JsonObject json;
  json.Number("segments", counts.segments);
  json.Number("confirmed", counts.confirmed);
  json.Number("pending", counts.pending);
  json.Number("chunks_read", answer.chunks_read);
  json.Number("chunks_ruled_out", answer.chunks_ruled_out);
  json.Number("records_read", answer.records_read);
  json.Texts("problems", answer.problems);
  return json.Done();
}

}  // namespace

std::string EventRow(const LogView& log, const ledger::LoggedRecord& logged) {
  const policy::EventLine line = policy::DescribeEvent(logged);
  JsonObject json;
  json.Text("log", log.id());
  json.Number("sequence", logged.sequence);
  json.Number("block", logged.block);
  json.Text("time", policy::FormatWallTime(logged.wall_ns));
  json.Quoted("type", line.event);
  json.Text("severity", SeverityName(logged.record->severity()));
  json.Quoted("who", line.who);
  json.Quoted("process", line.process);
  json.Quoted("object", line.object);
  json.Quoted("result", line.result);
  json.Quoted("rules", line.rules);
  return json.Done();
}

absl::StatusOr<ApiAnswer> Api::Me(const Viewer& viewer) {
  JsonObject json;
  json.Text("name", viewer.name);
  json.Text("role", viewer.role);
  json.Text("how", viewer.how);
  json.Flag("all_hosts", viewer.rights->all_hosts);
  json.Flag("all_events", viewer.rights->SeesAll());
  json.Flag("alarms", viewer.rights->alarms);
  if (viewer.until != absl::InfiniteFuture()) {
    json.Text("until",
              policy::FormatWallTime(static_cast<uint64_t>(absl::ToUnixNanos(viewer.until))));
  }
  return ApiAnswer{json.Done()};
}

absl::StatusOr<ApiAnswer> Api::Hosts(const Viewer& viewer) {
  store_->Refresh();
  std::vector<std::string> hosts;
  for (const auto& log : store_->Logs(*viewer.rights, "")) {
    hosts.push_back(summaries_.Of(log.get()));
  }
  JsonObject json;
  json.Raw("hosts", JsonArray(hosts));
  json.Text("now", policy::FormatWallTime(static_cast<uint64_t>(absl::GetCurrentTimeNanos())));
  json.Texts("problems",
             viewer.rights->all_hosts ? store_->problems() : std::vector<std::string>{});
  return ApiAnswer{json.Done(), hosts.size()};
}

absl::StatusOr<ApiAnswer> Api::Events(const Parameters& parameters, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Filter filter, Filter::Make(parameters, viewer));
  store_->Refresh();
  std::map<std::string, std::shared_ptr<LogView>, std::less<>> by_origin;
  std::vector<ledger::LogIndex*> logs;
  for (const auto& log : store_->Logs(*viewer.rights, filter.host())) {
    logs.push_back(log->index.get());
    by_origin[absl::StrCat(log->deployment, "/h/", log->id())] = log;
  }
  ledger::SearchQuery query{.terms = filter.terms(),
                            .wants =
                                [&](const auto& logged) {
                                  return by_origin.contains(logged.origin) && filter.Wants(logged);
                                },
                            .wants_details = filter.wants_details(),
                            .show =
                                [&](const auto& logged) {
                                  return EventRow(*by_origin.find(logged.origin)->second, logged);
                                },
                            .limit = kPage,
                            .deadline = absl::Now() + kSearchWithin};
  const std::string before = Parameter(parameters, "before");
  if (!before.empty()) {
    ASSIGN_OR_RETURN(query.before, ParseKey(before));
  }
  const std::string limit = Parameter(parameters, "limit");
  if (!limit.empty() && (!absl::SimpleAtoi(limit, &query.limit) || query.limit == 0)) {
    return absl::InvalidArgumentError("limit: not a number from 1 to 1000");
  }
  query.limit = std::min(query.limit, kMaxPage);
  const absl::Time began = absl::Now();
  const ledger::SearchAnswer answer = ledger::Search(logs, query);
  std::vector<std::string> rows;
  for (const ledger::Found& found : answer.records) rows.push_back(found.shown);
  JsonObject json;
  json.Raw("events", JsonArray(rows));
  json.Flag("exhausted", answer.exhausted);
  json.Flag("timed_out", answer.timed_out);
  if (!answer.exhausted) json.Text("next", FormatKey(answer.reached));
  json.Number("took_ms", static_cast<uint64_t>(absl::ToInt64Milliseconds(absl::Now() - began)));
  json.Raw("index", IndexState(store_, answer));
  return ApiAnswer{json.Done(), rows.size()};
}

absl::StatusOr<ApiAnswer> Api::BeginTail(const Parameters& parameters, const Viewer& viewer) {
  ASSIGN_OR_RETURN(Filter filter, Filter::Make(parameters, viewer));
  store_->Refresh();
  auto follower =
      std::make_shared<Follower>(Follower{viewer.name, std::move(filter), absl::Now(), {}});
  for (const auto& log : store_->Logs(*viewer.rights, follower->filter.host())) {
    follower->logs[log->id()] = {log, log->index->next_sequence()};
  }
  const std::string id = absl::BytesToHexString(Secret32::Random().view());
  const absl::MutexLock lock(&mutex_);
  for (auto it = followers_.begin(); it != followers_.end();) {
    it = absl::Now() - it->second->used > kFollowerIdle ? followers_.erase(it) : std::next(it);
  }
  if (followers_.size() >= kMaxFollowers) followers_.erase(followers_.begin());
  followers_[id] = std::move(follower);
  JsonObject json;
  json.Text("id", id);
  return ApiAnswer{json.Done()};
}

absl::StatusOr<ApiAnswer> Api::Tail(const Parameters& parameters, const Viewer& viewer) {
  const std::string id = Parameter(parameters, "id");
  if (id.empty()) return BeginTail(parameters, viewer);
  const absl::MutexLock lock(&mutex_);
  const auto found = followers_.find(id);
  if (found == followers_.end() || found->second->viewer != viewer.name) {
    return absl::NotFoundError("this tail ended; begin another");
  }
  Follower& follower = *found->second;
  follower.used = absl::Now();
  store_->Refresh();
  for (const auto& log : store_->Logs(*viewer.rights, follower.filter.host())) {
    follower.logs.try_emplace(log->id(), FollowedLog{log, 0});
  }
  std::vector<std::string> rows;
  bool more = false;
  for (auto& named : follower.logs) {
    FollowedLog& followed = named.second;  // a lambda cannot hold a structured binding
    if (!viewer.rights->SeesHost(followed.log->host)) continue;
    if (followed.log->index->next_sequence() <= followed.next) continue;
    ASSIGN_OR_RETURN(const auto chunks,
                     followed.log->index->ChunksFrom(followed.next, kMaxTailChunks));
    for (const ledger::ChunkRef& chunk : chunks) {
      if (rows.size() >= kMaxTailRows) {
        more = true;
        break;
      }
      RETURN_IF_ERROR(ledger::ReadChunk(followed.log->index.get(), chunk, true,
                                        [&](const ledger::LoggedRecord& logged, absl::string_view) {
                                          if (logged.sequence < followed.next) return true;
                                          followed.next = logged.sequence + 1;
                                          if (follower.filter.Wants(logged))
                                            rows.push_back(EventRow(*followed.log, logged));
                                          return rows.size() < kMaxTailRows;
                                        }));
    }
  }
  JsonObject json;
  json.Raw("events", JsonArray(rows));
  json.Flag("more", more || rows.size() >= kMaxTailRows);
  return ApiAnswer{json.Done(), rows.size()};
}

}  // namespace cairn::collector
