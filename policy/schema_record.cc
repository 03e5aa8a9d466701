// Rows every record has, and those made from the messages the agent speaks of itself with.
#include <cstring>
#include <deque>
#include <utility>

#include "policy/schema_rows.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

Value Outcome(const Record& record) {
  if (record.has_ret()) return Value::String(record.ret() < 0 ? "failure" : "success");
  return Value::String(record.outcome() == OUTCOME_SUCCESS   ? "success"
                       : record.outcome() == OUTCOME_FAILURE ? "failure"
                                                             : "unknown");
}

int64_t Errno(const Record& record) {
  const int64_t ret = record.has_ret() ? record.ret() : 0;
  return ret < 0 && ret >= -4095 ? -ret : 0;
}

Value ErrorName(const Record& record) {
  const char* name = Errno(record) == 0 ? "" : strerrorname_np(static_cast<int>(Errno(record)));
  return Value::String(name == nullptr ? "" : name);
}

Value SourceName(Source source) {
  static constexpr const char* kNames[] = {"", "ebpf", "audit", "agent", "proc"};
  return Value::String(source >= 0 && source < 5 ? kNames[source] : "unknown");
}

Value SeverityName(Severity severity) {
  static constexpr const char* kNames[] = {"none", "low", "medium", "high", "critical"};
  return Value::String(severity >= 0 && severity < 5 ? kNames[severity] : "unknown");
}

uint32_t Tid(const Event& event) {
  if (event.record->tid() != 0 || event.process == nullptr) return event.record->tid();
  return event.process->pid();
}

// ---- rows from descriptors --------------------------------------------------

const Message* Outer(const Event& event, const Field& field) {
  return &event.record->GetReflection()->GetMessage(*event.record, field.outer);
}

bool IsDigest(const FieldDescriptor& field) {
  static constexpr absl::string_view kHex[] = {
      "digest", "hash", "root", "chain", "key", "key_commitment", "public_key", "signature"};
  for (const absl::string_view end : kHex) {
    const absl::string_view name = field.name();
    if (name.size() >= end.size() && name.substr(name.size() - end.size()) == end) return true;
  }
  return false;
}

// GetRepeatedFieldRef, which protobuf would have instead, has no object that outlives the call.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
template <typename T>
Value ListOf(const Message& message, const FieldDescriptor* field) {
  return Value::List(&message.GetReflection()->GetRepeatedPtrField<T>(message, field));
}
#pragma GCC diagnostic pop

Value FromDescriptor(const Event& event, const Field& field, Scratch* scratch) {
  const Message& message = *Outer(event, field);
  const auto* reflection = message.GetReflection();
  const FieldDescriptor* inner = field.inner;
  if (inner->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return ListOf<Ancestor>(message, inner);
  }
  if (inner->is_repeated()) {
    return ListOf<std::string>(message, inner);
  }
  switch (inner->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return Value::Bool(reflection->GetBool(message, inner));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Value::Unsigned(reflection->GetUInt32(message, inner));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Value::Unsigned(reflection->GetUInt64(message, inner));
    case FieldDescriptor::CPPTYPE_ENUM:
      return Value::String(
          EventName(static_cast<EventType>(reflection->GetEnumValue(message, inner))));
    default:
      break;
  }
  std::string unused;
  const std::string& text = reflection->GetStringReference(message, inner, &unused);
  const bool hex = inner->type() == FieldDescriptor::TYPE_BYTES && IsDigest(*inner);
  return hex ? HexValue(text, scratch) : Value::String(text);
}

// The type of a row for `field`; false: such fields have none (messages, lists of numbers).
bool RowType(const FieldDescriptor& field, Type* type) {
  const bool text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (field.message_type() == Ancestor::descriptor()) {
    *type = Type::kAncestors;
    return true;
  }
  if (field.is_repeated()) {
    *type = Type::kStrings;
    return text && field.type() == FieldDescriptor::TYPE_STRING;
  }
  *type = text || field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM ? Type::kString
          : field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL       ? Type::kBool
                                                                    : Type::kInt;
  return field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
}

// Rows live as long as the program, and so do their names.
absl::string_view Kept(std::string text) {
  static auto* const kept = new std::deque<std::string>;
  return kept->emplace_back(std::move(text));
}

}  // namespace

std::vector<Field> RecordRows() {
  const EventSet* exit = Events({"process.exit"});
  const auto code = [](const Event& event) { return event.record->has_exit_code(); };
  return {
      {"type", Type::kString, CAIRN_GET(Value::String(EventName(event.record->type()))), nullptr,
       nullptr, "event name: file.open, …"},
      {"time", Type::kTimestamp,
       CAIRN_GET(Value::Timestamp(static_cast<int64_t>(event.wall_ns / 1000000000),
                                  static_cast<uint32_t>(event.wall_ns % 1000000000))),
       nullptr, nullptr, "wall time of the act"},
      {"source", Type::kString, CAIRN_GET(SourceName(event.record->source())), "source", nullptr,
       "ebpf, audit, agent, proc"},
      {"via", Type::kString,
       CAIRN_GET(Value::String(event.record->via() == VIA_IO_URING ? "io_uring" : "syscall")),
       "via", nullptr, "syscall or io_uring",
       [](const Event& event) { return event.record->via() != VIA_SYSCALL; }},
      {"compat", Type::kBool, CAIRN_GET(Value::Bool(event.record->compat())), "compat", nullptr,
       "a 32-bit call"},
      {"cpu", Type::kInt, CAIRN_GET(Value::Int(event.record->cpu())), "cpu", nullptr, "processor"},
      {"tid", Type::kInt, CAIRN_GET(Value::Int(Tid(event))), "tid", nullptr, "thread id"},
      {"result", Type::kString, CAIRN_GET(Outcome(*event.record)), "outcome", nullptr,
       "success, failure, unknown"},
      {"ret", Type::kInt, CAIRN_GET(Value::Int(event.record->ret())), "ret", nullptr,
       "return value; 0 where `result` is unknown",
       [](const Event& event) { return event.record->has_ret(); }},
      {"errno", Type::kInt, CAIRN_GET(Value::Int(Errno(*event.record))), nullptr, nullptr,
       "error number, or 0"},
      {"error", Type::kString, CAIRN_GET(ErrorName(*event.record)), nullptr, nullptr,
       "error name: EACCES, …"},
      {"flags", Type::kInt, CAIRN_GET(Value::Unsigned(event.record->flags())), "flags", nullptr,
       "clone, unshare, setns, mount flags"},
      {"count", Type::kInt, CAIRN_GET(Value::Unsigned(event.record->count())), "count", nullptr,
       "acts this record stands for, when more than one"},
      {"severity", Type::kString, CAIRN_GET(SeverityName(event.record->severity())), nullptr,
       nullptr, "as decided: none, low, medium, high, critical",
       [](const Event& event) { return event.record->severity() != SEVERITY_NONE; }},
      {"redactions", Type::kStrings, CAIRN_GET(Value::List(&event.record->redactions())), nullptr,
       nullptr, "ids of the redactions that fired"},
      {"exit.status", Type::kInt, CAIRN_GET(Value::Int((event.record->exit_code() >> 8) & 0xFF)),
       nullptr, exit, "exit status", code},
      {"exit.signal", Type::kInt, CAIRN_GET(Value::Int(event.record->exit_code() & 0x7F)), nullptr,
       exit, "signal that ended it, or 0", code},
      {"exit.code", Type::kInt, CAIRN_GET(Value::Int(event.record->exit_code())), "exit_code", exit,
       "as wait(2)", code},
  };
}

std::vector<Field> AgentRows() {
  constexpr int kFirst = 32;  // Record's fields from here on are what the agent says of itself
  std::vector<Field> rows;
  const EventSet* agent = Events({"agent.*"});
  const auto* record = Record::descriptor();
  for (int i = 0; i < record->field_count(); ++i) {
    const FieldDescriptor* outer = record->field(i);
    if (outer->number() < kFirst) continue;
    for (int j = 0; j < outer->message_type()->field_count(); ++j) {
      const FieldDescriptor* inner = outer->message_type()->field(j);
      Type type;
      if (!RowType(*inner, &type)) continue;
      const absl::string_view path = Kept(outer->name() + "." + inner->name());
      rows.push_back({path, type, FromDescriptor, path.data(), agent, "see proto/record.proto",
                      nullptr, outer, inner});
    }
  }
  return rows;
}

}  // namespace cairn::policy
