// One record and its proof; what changed the policy; alarms.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/escape.h"
#include "base/io.h"
#include "base/status.h"
#include "collector/console/api.h"
#include "ledger/format.h"
#include "ledger/hash.h"
#include "ledger/prove.h"
#include "policy/event_json.h"
#include "policy/json.h"
#include "proto/names.h"

namespace cairn::collector {
namespace {

using policy::JsonArray;
using policy::JsonObject;

constexpr size_t kMaxAlarms = 500;
constexpr size_t kMaxAlarmsFile = 64 << 20;
constexpr size_t kMaxChanges = 200;

struct WholeRecord {
  std::string json;  // the record's, as `cairn events -o json` has it
  std::string row;
  uint64_t block = 0;
  std::string stored;          // the block's bytes
  bool others_hidden = false;  // the block holds records that the viewer may not see
};

absl::StatusOr<WholeRecord> ReadOne(const LogView& log, uint64_t sequence, const Rights& rights) {
  const absl::Status none = absl::NotFoundError("no such record for you");
  const auto chunk = log.index->ChunkOf(sequence);
  if (!chunk.ok()) return absl::IsNotFound(chunk.status()) ? none : chunk.status();
  WholeRecord whole;
  std::map<uint64_t, bool> hidden;  // by block
  RETURN_IF_ERROR(
      ledger::ReadChunk(log.index.get(), *chunk, true,
                        [&](const ledger::LoggedRecord& logged, absl::string_view stored) {
                          const bool sees = rights.Sees(logged);
                          hidden[logged.block] |= !sees;
                          if (logged.sequence != sequence || !sees) return true;
                          policy::AppendEventJson(logged, &whole.json);
                          whole.row = EventRow(log, logged);
                          whole.block = logged.block;
                          whole.stored = std::string(stored);
                          return true;
                        }));
  if (whole.json.empty()) return none;
  whole.others_hidden = hidden[whole.block];
  return whole;
}

std::string ProofJson(const LogView& log, uint64_t sequence, const WholeRecord& whole) {
  JsonObject json;
  const auto proof = ledger::ProveRecord(log.index->log_dir(), sequence, nullptr);
  if (!proof.ok()) {
    json.Text("error", absl::IsNotFound(proof.status())
                           ? "no signed checkpoint covers this record yet; look again in a second"
                           : proof.status().message());
    return json.Done();
  }
  std::vector<std::string> hashes;
  for (const ledger::Hash& hash : proof->hashes) {
    hashes.push_back(absl::StrCat("\"", absl::Base64Escape(ledger::View(hash)), "\""));
  }
  const auto key = ReadFile(log.index->log_dir() + "/log.vkey", 4096);
  json.Number("index", proof->index);
  json.Text("leaf", absl::Base64Escape(ledger::View(ledger::LeafHash(proof->block))));
  // A block is hashed whole: its bytes would show the viewer's neighbours too.
  if (!whole.others_hidden) json.Text("block", absl::Base64Escape(proof->block));
  json.Raw("hashes", JsonArray(hashes));
  std::string note;
  for (const char c : proof->note) {
    if (c == '\n') {
      note += "\\n";
    } else {
      if (c == '"' || c == '\\') note.push_back('\\');
      note.push_back(c);
    }
  }
  json.Raw("note", absl::StrCat("\"", note, "\""));
  if (key.ok()) json.Text("key", absl::StripAsciiWhitespace(*key));
  return json.Done();
}

std::string Strings(const google::protobuf::RepeatedPtrField<std::string>& values) {
  std::vector<std::string> items;
  for (const std::string& value : values) {
    items.emplace_back();
    policy::AppendJsonString(value, &items.back());
  }
  return JsonArray(items);
}

std::string ChangeJson(const LogView& log, const ledger::LoggedRecord& logged) {
  const PolicyChange& change = logged.record->policy();
  JsonObject json;
  json.Text("log", log.id());
  json.Number("sequence", logged.sequence);
  json.Text("time", policy::FormatWallTime(logged.wall_ns));
  json.Text("type", EventName(logged.record->type()));
  json.Number("old_generation", change.old_generation());
  json.Number("new_generation", change.new_generation());
  json.Text("old_digest", absl::BytesToHexString(change.old_digest()));
  json.Text("new_digest", absl::BytesToHexString(change.new_digest()));
  json.Text("rung", change.rung());
  json.Text("trigger", change.trigger());
  json.Raw("files", Strings(change.files()));
  json.Raw("added", Strings(change.added()));
  json.Raw("removed", Strings(change.removed()));
  json.Raw("weakened", Strings(change.weakened()));
  json.Raw("strengthened", Strings(change.strengthened()));
  json.Raw("signers", Strings(change.signers()));
  json.Raw("errors", Strings(change.errors()));
  if (change.requester_pid() != 0) {
    json.Text("requester", absl::StrCat(change.requester_exe(), "[", change.requester_pid(),
                                        "] uid ", change.requester_uid(),
                                        change.requester_inferred() ? " (inferred)" : ""));
  }
  std::vector<std::string> writer;
  for (const Ancestor& ancestor : change.writer()) {
    writer.emplace_back();
    policy::AppendJsonString(absl::StrCat(ancestor.exe(), "[", ancestor.pid(), "]"),
                             &writer.back());
  }
  json.Raw("writer", JsonArray(writer));
  return json.Done();
}

}  // namespace

absl::StatusOr<ApiAnswer> Api::OneRecord(const Parameters& parameters, const Viewer& viewer) {
  store_->Refresh();
  const auto log = store_->Log(*viewer.rights, Parameter(parameters, "log"));
  if (log == nullptr) return absl::NotFoundError("no such record for you");
  uint64_t sequence = 0;
  if (!absl::SimpleAtoi(Parameter(parameters, "sequence"), &sequence)) {
    return absl::InvalidArgumentError("sequence: not a number");
  }
  ASSIGN_OR_RETURN(const WholeRecord whole, ReadOne(*log, sequence, *viewer.rights));
  JsonObject json;
  json.Raw("row", whole.row);
  json.Raw("record", whole.json);
  json.Number("block", whole.block);
  json.Flag("others_hidden", whole.others_hidden);
  if (Parameter(parameters, "proof") != "no") {
    json.Raw("proof", ProofJson(*log, sequence, whole));
  }
  return ApiAnswer{json.Done(), 1};
}

absl::StatusOr<ApiAnswer> Api::PolicyHistory(const Parameters& parameters, const Viewer& viewer) {
  store_->Refresh();
  std::vector<std::string> changes;
  std::map<std::string, std::shared_ptr<LogView>, std::less<>> by_origin;
  std::vector<ledger::LogIndex*> logs;
  for (const auto& log : store_->Logs(*viewer.rights, Parameter(parameters, "host"))) {
    by_origin[absl::StrCat(log->deployment, "/h/", log->id())] = log;
    logs.push_back(log->index.get());
  }
  ledger::SearchQuery query;
  query.terms.types.set(AGENT_POLICY_LOADED);
  query.terms.types.set(AGENT_POLICY_REJECTED);
  query.wants = [&](const ledger::LoggedRecord& logged) {
    return logged.record->has_policy() && by_origin.contains(logged.origin) &&
           viewer.rights->Sees(logged);
  };
  query.wants_details = viewer.rights->when != nullptr;
  query.show = [&](const ledger::LoggedRecord& logged) {
    return ChangeJson(*by_origin.find(logged.origin)->second, logged);
  };
  query.limit = kMaxChanges;
  query.deadline = absl::Now() + absl::Seconds(2);
  for (ledger::Found& found : ledger::Search(logs, query).records) {
    changes.push_back(std::move(found.shown));
  }
  JsonObject json;
  json.Raw("changes", JsonArray(changes));
  return ApiAnswer{json.Done(), changes.size()};
}

absl::StatusOr<ApiAnswer> Api::Alarms(const Viewer& viewer) {
  if (!viewer.rights->alarms) return absl::NotFoundError("your role does not see alarms");
  const auto text = ReadFile(alarms_, kMaxAlarmsFile);
  std::vector<std::string> alarms;
  if (text.ok()) {
    std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n', absl::SkipEmpty());
    for (auto line = lines.rbegin(); line != lines.rend() && alarms.size() < kMaxAlarms; ++line) {
      google::protobuf::Struct alarm;
      if (!google::protobuf::util::JsonStringToMessage(std::string(*line), &alarm).ok()) continue;
      const std::vector<std::string> parts =
          absl::StrSplit((*alarm.mutable_fields())["origin"].string_value(), '/');
      if (!viewer.rights->SeesHost(parts.size() >= 3 ? parts[2] : "")) continue;
      JsonObject one;
      for (const char* name : {"time", "kind", "origin", "text"}) {
        one.Text(name, UnescapeBytes((*alarm.mutable_fields())[name].string_value()));
      }
      alarms.push_back(one.Done());
    }
  }
  JsonObject json;
  json.Raw("alarms", JsonArray(alarms));
  return ApiAnswer{json.Done(), alarms.size()};
}

}  // namespace cairn::collector
