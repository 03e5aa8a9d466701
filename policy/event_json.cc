#include "policy/event_json.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/escape.h"
#include "policy/schema.h"

namespace cairn::policy {
namespace {

// Whether a field that has its default is worth saying all the same.
bool SaidByDefault(const Event& event, absl::string_view name) {
  const Process* who = event.process;
  if (name == "type" || name == "result") return true;
  if (name.substr(0, 5) == "cred.") return event.record->has_cred();
  if (name.substr(0, 5) == "exit.") return event.record->has_exit_code();
  if (name == "file.uid" || name == "file.gid") return event.record->type() == FILE_CHOWN;
  if (name == "file.mode") return event.record->type() == FILE_CHMOD;
  if (who == nullptr || name.substr(0, 8) != "process.") return false;
  if (name == "process.uid" || name == "process.euid" || name == "process.auid") return true;
  const bool details = who->ppid() != 0 || who->argv_size() != 0 || !who->cwd().empty();
  return details && (name == "process.gid" || name == "process.egid");
}

// Writes one object, opening and closing the nested ones as names change.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) { out_->push_back('{'); }

  // The place for the value of `name`; names come sorted, so that each object opens once.
  void Key(absl::string_view name) {
    while (!Inside(name)) Close();
    for (size_t dot = name.find('.', open_.size()); dot != absl::string_view::npos;
         dot = name.find('.', open_.size())) {
      Member(name.substr(open_.size(), dot - open_.size()));
      out_->push_back('{');
      open_.assign(name.data(), dot + 1);
      first_ = true;
    }
    Member(name.substr(open_.size()));
  }

  void Finish() {
    while (!open_.empty()) Close();
    out_->push_back('}');
  }

 private:
  bool Inside(absl::string_view name) const { return name.substr(0, open_.size()) == open_; }

  void Close() {
    out_->push_back('}');
    first_ = false;
    open_.pop_back();
    const size_t dot = open_.rfind('.');
    open_.resize(dot == std::string::npos ? 0 : dot + 1);
  }

  void Member(absl::string_view key) {
    absl::StrAppend(out_, first_ ? "\"" : ",\"", key, "\":");
    first_ = false;
  }

  std::string* const out_;
  std::string open_;  // "process.container."
  bool first_ = true;
};

void AppendValue(const Value& value, std::string* out);

void AppendList(const Value& list, std::string* out) {
  out->push_back('[');
  const uint32_t size = ListSize(list);
  for (uint32_t i = 0; i < size; ++i) {
    if (i != 0) out->push_back(',');
    AppendValue(ListAt(list, i), out);
  }
  out->push_back(']');
}

void AppendMap(const StringMap& map, std::string* out) {
  std::vector<absl::string_view> keys;
  for (const auto& [key, unused] : map) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  out->push_back('{');
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i != 0) out->push_back(',');
    AppendJsonString(keys[i], out);
    out->push_back(':');
    AppendJsonString(map.at(std::string(keys[i])), out);
  }
  out->push_back('}');
}

void AppendAncestor(const Ancestor& ancestor, std::string* out) {
  out->push_back('{');
  bool first = true;
  for (const AncestorField& field : AncestorFields()) {
    absl::StrAppend(out, first ? "\"" : ",\"", field.name, "\":");
    AppendValue(field.get(ancestor), out);
    first = false;
  }
  out->push_back('}');
}

void AppendValue(const Value& value, std::string* out) {
  switch (value.kind) {
    case Kind::kBool:
      out->append(value.number != 0 ? "true" : "false");
      return;
    case Kind::kInt:
    case Kind::kDuration:
      absl::StrAppend(out, value.number);
      return;
    case Kind::kString:
      return AppendJsonString(value.view(), out);
    case Kind::kTimestamp:
      return AppendJsonString(
          FormatWallTime(static_cast<uint64_t>(value.number) * 1000000000 + value.size), out);
    case Kind::kList:
      return AppendList(value, out);
    case Kind::kMap:
      return AppendMap(*value.map, out);
    case Kind::kAncestor:
      return AppendAncestor(*value.ancestor, out);
    default:
      out->append("null");
  }
}

void AppendHead(const ledger::LoggedRecord& logged, Writer* writer, std::string* out) {
  const auto number = [&](absl::string_view name, uint64_t value) {
    writer->Key(name);
    absl::StrAppend(out, value);
  };
  number("sequence", logged.sequence);
  number("block", logged.block);
  number("epoch", logged.epoch);
  writer->Key("time");
  AppendJsonString(FormatWallTime(logged.wall_ns), out);
  number("time_ns", logged.time_ns);
  writer->Key("boot_id");
  AppendJsonString(logged.boot_id, out);
  writer->Key("origin");
  AppendJsonString(logged.origin, out);
  number("policy_generation", logged.policy_generation);
  writer->Key("rules");
  out->push_back('[');
  for (size_t i = 0; i < logged.rules.size(); ++i) {
    if (i != 0) out->push_back(',');
    AppendJsonString(logged.rules[i], out);
  }
  out->push_back(']');
}

}  // namespace

void AppendJsonString(absl::string_view text, std::string* out) {
  AppendJsonQuoted(EscapeBytes(text), out);
}

void AppendJsonQuoted(absl::string_view escaped, std::string* out) {
  out->push_back('"');
  for (const char c : escaped) {
    if (c == '"' || c == '\\') out->push_back('\\');
    out->push_back(c);
  }
  out->push_back('"');
}

std::string FormatWallTime(uint64_t wall_ns) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::Time time = absl::FromUnixSeconds(static_cast<int64_t>(wall_ns / 1000000000));
  return absl::StrFormat("%s.%09dZ", absl::FormatTime("%Y-%m-%dT%H:%M:%S", time, utc),
                         wall_ns % 1000000000);
}

void AppendEventJson(const ledger::LoggedRecord& logged, std::string* out) {
  const thread_local std::unique_ptr<Scratch> scratch = std::make_unique<Scratch>();
  const Event event{logged.time_ns, logged.record, logged.process, logged.wall_ns};
  Writer writer(out);
  AppendHead(logged, &writer, out);
  for (const Field& field : Fields()) {
    if (field.name == "time" || !field.ExistsFor(event.record->type())) continue;
    scratch->Reset();
    if (!SaidByDefault(event, field.name) && !Has(event, field, scratch.get())) continue;
    const Value value = field.get(event, field, scratch.get());
    if (value.is_error()) continue;
    writer.Key(field.name);
    AppendValue(value, out);
  }
  writer.Finish();
}

}  // namespace cairn::policy
