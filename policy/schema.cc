#include "policy/schema.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/log.h"
#include "policy/schema_rows.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

constexpr const char* kAccess[] = {"read",   "write",     "append", "truncate",
                                   "create", "exclusive", "exec"};
// capability.h, by number.
constexpr const char* kCapabilities[] = {"cap_chown",
                                         "cap_dac_override",
                                         "cap_dac_read_search",
                                         "cap_fowner",
                                         "cap_fsetid",
                                         "cap_kill",
                                         "cap_setgid",
                                         "cap_setuid",
                                         "cap_setpcap",
                                         "cap_linux_immutable",
                                         "cap_net_bind_service",
                                         "cap_net_broadcast",
                                         "cap_net_admin",
                                         "cap_net_raw",
                                         "cap_ipc_lock",
                                         "cap_ipc_owner",
                                         "cap_sys_module",
                                         "cap_sys_rawio",
                                         "cap_sys_chroot",
                                         "cap_sys_ptrace",
                                         "cap_sys_pacct",
                                         "cap_sys_admin",
                                         "cap_sys_boot",
                                         "cap_sys_nice",
                                         "cap_sys_resource",
                                         "cap_sys_time",
                                         "cap_sys_tty_config",
                                         "cap_mknod",
                                         "cap_lease",
                                         "cap_audit_write",
                                         "cap_audit_control",
                                         "cap_setfcap",
                                         "cap_mac_override",
                                         "cap_mac_admin",
                                         "cap_syslog",
                                         "cap_wake_alarm",
                                         "cap_block_suspend",
                                         "cap_audit_read",
                                         "cap_perfmon",
                                         "cap_bpf",
                                         "cap_checkpoint_restore"};

struct Table {
  std::vector<Field> rows;
  absl::flat_hash_map<absl::string_view, const Field*> by_name;
  absl::flat_hash_set<absl::string_view> prefixes;

  Table() {
    for (const auto& part : {ProcessRows(), RecordRows(), SubjectRows(), AgentRows()}) {
      rows.insert(rows.end(), part.begin(), part.end());
    }
    std::sort(rows.begin(), rows.end(),
              [](const Field& a, const Field& b) { return a.name < b.name; });
    for (const Field& row : rows) {
      by_name[row.name] = &row;
      for (size_t dot = row.name.find('.'); dot != absl::string_view::npos;
           dot = row.name.find('.', dot + 1)) {
        prefixes.insert(row.name.substr(0, dot));
      }
    }
  }
};

const Table& All() {
  static const Table* table = new Table;
  return *table;
}

constexpr AncestorField kAncestorFields[] = {
    {"pid", Type::kInt, [](const Ancestor& a) { return Value::Int(a.pid()); }},
    {"start_ns", Type::kInt, [](const Ancestor& a) { return Value::Unsigned(a.start_ns()); }},
    {"exe", Type::kString, [](const Ancestor& a) { return Value::String(a.exe()); }},
    {"comm", Type::kString, [](const Ancestor& a) { return Value::String(a.comm()); }},
    {"uid", Type::kInt, [](const Ancestor& a) { return Value::Int(a.uid()); }},
    {"auid", Type::kInt, [](const Ancestor& a) { return Value::Int(a.auid()); }},
};

bool NotDefault(const Value& value) {
  switch (value.kind) {
    case Kind::kString:
      return value.size != 0;
    case Kind::kList:
      return ListSize(value) != 0;
    case Kind::kMap:
      return !value.map->empty();
    case Kind::kTimestamp:
      return value.number != 0 || value.size != 0;
    default:
      return value.number != 0;
  }
}

}  // namespace

absl::string_view TypeName(Type type) {
  static constexpr absl::string_view kNames[] = {
      "bool", "int",          "string",    "timestamp",      "duration", "ip",
      "cidr", "list(string)", "list(int)", "list(ancestor)", "ancestor", "map(string, string)",
      "list"};
  return kNames[static_cast<size_t>(type)];
}

bool Field::of_process() const { return path != nullptr && name.substr(0, 8) == "process."; }

absl::Span<const Field> Fields() { return All().rows; }

const Field* FindField(absl::string_view name) {
  const auto found = All().by_name.find(name);
  return found == All().by_name.end() ? nullptr : found->second;
}

bool IsFieldPrefix(absl::string_view name) { return All().prefixes.contains(name); }

bool Has(const Event& event, const Field& field, Scratch* scratch) {
  if (field.has != nullptr) return field.has(event);
  if (event.process == nullptr && field.name.substr(0, 8) == "process.") return false;
  return NotDefault(field.get(event, field, scratch));
}

absl::Span<const AncestorField> AncestorFields() { return kAncestorFields; }

const AncestorField* FindAncestorField(absl::string_view name) {
  for (const AncestorField& field : kAncestorFields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

const WordTable& WordsOf(uint16_t table) {
  static constexpr WordTable kTables[] = {{kAccess, std::size(kAccess)},
                                          {kCapabilities, std::size(kCapabilities)}};
  return kTables[table];
}

bool ParseEvents(absl::string_view name, EventSet* events) {
  if (const auto type = EventByName(name)) {
    events->set(static_cast<size_t>(*type));
    return true;
  }
  if (name.size() < 3 || name.substr(name.size() - 2) != ".*") return false;
  bool any = false;
  const auto* all = EventType_descriptor();
  for (int i = 0; i < all->value_count(); ++i) {
    const auto type = static_cast<EventType>(all->value(i)->number());
    if (EventGroup(type) != name.substr(0, name.size() - 2)) continue;
    events->set(static_cast<size_t>(type));
    any = true;
  }
  return any;
}

const EventSet* Events(std::initializer_list<absl::string_view> names) {
  auto* events = new EventSet;
  for (const absl::string_view name : names) {
    if (!ParseEvents(name, events)) {
      LogError("field table: no event ", name);
      std::abort();
    }
  }
  return events;
}

Value HexValue(absl::string_view bytes, Scratch* scratch) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char* out = scratch->Bytes(static_cast<uint32_t>(bytes.size() * 2));
  if (out == nullptr) return Value::Error("too much text in one condition");
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out[2 * i] = kDigits[byte >> 4];
    out[2 * i + 1] = kDigits[byte & 15];
  }
  return Value::String({out, bytes.size() * 2});
}

Value AddressValue(absl::string_view bytes, Scratch* scratch) {
  if (bytes.size() != 4 && bytes.size() != 16) return Value::String("");
  char* out = scratch->Bytes(INET6_ADDRSTRLEN);
  if (out == nullptr) return Value::Error("too much text in one condition");
  inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), out, INET6_ADDRSTRLEN);
  return Value::String(out);
}

}  // namespace cairn::policy
