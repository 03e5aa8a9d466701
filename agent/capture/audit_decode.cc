#include "agent/capture/audit_decode.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/capture/audit_decode_parts.h"
#include "agent/capture/audit_names.h"
#include "base/escape.h"
#include "proto/names.h"

namespace cairn::capture {
namespace audit {

std::optional<absl::string_view> Decoding::Find(uint16_t type) const {
  for (const AuditEvent::Line& line : event.lines()) {
    if (line.type == type) return event.text(line);
  }
  return std::nullopt;
}

std::optional<int64_t> ParseNumber(absl::string_view value, int base) {
  const bool negative = !value.empty() && value.front() == '-';
  if (negative) value.remove_prefix(1);
  if (value.empty() || value.size() > 22) return std::nullopt;
  uint64_t number = 0;
  for (char c : value) {
    int digit = 99;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    if (digit >= base) return std::nullopt;
    if (number > (UINT64_MAX - static_cast<uint64_t>(digit)) / static_cast<uint64_t>(base)) {
      return std::nullopt;
    }
    number = number * static_cast<uint64_t>(base) + static_cast<uint64_t>(digit);
  }
  return static_cast<int64_t>(negative ? 0 - number : number);
}

std::optional<int64_t> Number(absl::string_view text, absl::string_view name, int base) {
  return ParseNumber(FindAuditField(text, name).value, base);
}

std::string Bytes(absl::string_view text, absl::string_view name) {
  std::string bytes = AuditFieldBytes(FindAuditField(text, name));
  if (bytes.size() > AuditBounds::kValue) bytes.resize(AuditBounds::kValue);
  return bytes;
}

void SetPath(absl::string_view path, File* file) {
  if (path.size() > AuditBounds::kPath) file->set_path_length(static_cast<uint32_t>(path.size()));
  path = path.substr(0, AuditBounds::kPath);
  file->set_path(path.data(), path.size());
  file->set_source(PATH_ARGUMENT);
}

void KeepField(Decoding* d, absl::string_view name, absl::string_view value) {
  auto& fields = *d->audit()->mutable_fields();
  const bool fits = !name.empty() && name.size() <= 32 && fields.size() < AuditBounds::kFields;
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
  if (!fits || !plain || value.empty()) return;
  const std::string key(name.data(), name.size());
  if (value.size() > AuditBounds::kValue) {
    fields[absl::StrCat(name, "_length")] = absl::StrCat(value.size());
    value = value.substr(0, AuditBounds::kValue);
  }
  fields.insert({key, std::string(value.data(), value.size())});  // the first of a name stays
}

void KeepOthers(Decoding* d, absl::string_view text) {
  static constexpr absl::string_view kKnown[] = {
      "pid",      "ppid", "uid",  "auid",    "gid",  "euid", "suid",    "fsuid", "egid",     "sgid",
      "fsgid",    "ses",  "comm", "tty",     "subj", "key",  "op",      "acct",  "hostname", "addr",
      "terminal", "res",  "msg",  "success", "exit", "arch", "syscall", "items", "unit"};
  AuditFields fields(text);
  for (AuditField field; fields.Next(&field);) {
    if (std::find(std::begin(kKnown), std::end(kKnown), field.name) != std::end(kKnown)) continue;
    if (field.value == "?") continue;
    KeepField(d, field.name,
              IsEncodedAuditField(field.name)
                  ? AuditFieldBytes(field)
                  : std::string(field.value.data(), field.value.size()));
  }
}

uint64_t ParseDevice(absl::string_view text) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos) return 0;
  const auto major_number = ParseNumber(text.substr(0, colon), 16);
  const auto minor_number = ParseNumber(text.substr(colon + 1), 16);
  if (!major_number || !minor_number) return 0;
  return makedev(static_cast<unsigned>(*major_number), static_cast<unsigned>(*minor_number));
}

namespace {

struct IdField {
  absl::string_view name;
  void (Process::*set)(uint32_t);
};
constexpr IdField kIds[] = {
    {"pid", &Process::set_pid},   {"ppid", &Process::set_ppid},   {"uid", &Process::set_uid},
    {"auid", &Process::set_auid}, {"ses", &Process::set_session}, {"gid", &Process::set_gid},
    {"euid", &Process::set_euid}, {"suid", &Process::set_suid},   {"fsuid", &Process::set_fsuid},
    {"egid", &Process::set_egid}, {"sgid", &Process::set_sgid},   {"fsgid", &Process::set_fsgid},
};

std::string Cut(std::string bytes, size_t limit) {
  if (bytes.size() > limit) bytes.resize(limit);
  return bytes;
}

void TakeName(Decoding* d, const AuditField& field) {
  Process* process = &d->actor->process;
  if (field.name == "comm") {
    process->set_comm(Cut(AuditFieldBytes(field), 15));
  } else if (field.name == "exe") {
    process->set_exe(Cut(AuditFieldBytes(field), AuditBounds::kPath));
  } else if (field.name == "tty" && field.value != "(none)") {
    process->set_tty(EscapeBytes(field.value.substr(0, 64)));
  } else if (field.name == "subj" && field.value != "?") {
    d->audit()->set_subject(Cut(AuditFieldBytes(field), AuditBounds::kValue));
  } else if (field.name == "key") {
    d->audit()->set_key(Cut(AuditFieldBytes(field), AuditBounds::kValue));
  }
}

}  // namespace

void TakeActor(Decoding* d, absl::string_view text) {
  bool has_uid = false, has_auid = false;
  AuditFields fields(text);
  for (AuditField field; fields.Next(&field);) {
    TakeName(d, field);
    const auto number = ParseNumber(field.value, 10);
    if (!number || *number < INT32_MIN || *number > UINT32_MAX) continue;
    for (const IdField& id : kIds) {
      if (field.name == id.name) (d->actor->process.*id.set)(static_cast<uint32_t>(*number));
    }
    has_uid |= field.name == "uid";
    has_auid |= field.name == "auid";
  }
  d->actor->has_identity |= has_uid && has_auid;
}

}  // namespace audit

namespace {

// One record as a line that no byte of `text` can end.
void AppendEscaped(absl::string_view text, std::string* out) {
  for (char c : text) {
    if (c == '\\') {
      out->append("\\\\");
    } else if (c == '\n') {
      out->append("\\n");
    } else {
      out->push_back(c);
    }
  }
}

void TakeText(audit::Decoding* d) {
  const AuditEvent& event = d->event;
  const std::string stamp = absl::StrFormat(" msg=audit(%d.%03d:%d): ", event.stamp.wall_ms / 1000,
                                            event.stamp.wall_ms % 1000, event.stamp.serial);
  std::string* text = d->audit()->mutable_text();
  size_t cut = 0;
  for (const AuditEvent::Line& line : event.lines()) {
    const std::string name = AuditTypeName(line.type);
    if (d->audit()->types_size() < static_cast<int>(AuditBounds::kTypes)) {
      d->audit()->add_types(name);
    }
    if (!text->empty()) text->push_back('\n');
    absl::StrAppend(text, "type=", name, stamp);
    AppendEscaped(event.text(line), text);
    cut += line.length - line.size;
  }
  const size_t length = text->size() + cut;
  if (text->size() > AuditBounds::kText) text->resize(AuditBounds::kText);
  if (length > text->size()) d->audit()->set_text_length(static_cast<uint32_t>(length));
}

// A login by write(2) is no write: where another record says what the event is, the call is only
// how it was done, and what it acted on is in the text.
void ForgetCall(EventType called, Record* record) {
  const absl::string_view group = EventGroup(record->type());
  if (record->type() == called) return;
  if (group != "auth" && group != "account" && group != "service" && group != "audit" &&
      group != "tty") {
    return;
  }
  record->clear_file();
  record->clear_target();
  record->clear_net();
  record->clear_cred();
  record->clear_peer();
  record->clear_memory();
  record->clear_kernel();
}

}  // namespace

void DecodeAuditEvent(const AuditEvent& event, Record* record, AuditActor* actor) {
  record->Clear();
  actor->process.Clear();
  actor->has_identity = false;
  audit::Decoding decoding{event, record, actor};
  record->set_source(SOURCE_AUDIT);
  record->mutable_audit()->set_serial(event.stamp.serial);
  record->mutable_audit()->set_incomplete(!event.complete || event.dropped_lines > 0);
  record->mutable_audit()->set_late(event.continued);
  TakeText(&decoding);
  const bool is_syscall = audit::DecodeSyscall(&decoding);
  const EventType called = record->type();
  for (const AuditEvent::Line& line : event.lines()) {
    if (audit::DecodeMessage(&decoding, line.type, event.text(line))) break;
  }
  ForgetCall(called, record);
  if (record->type() != UNKNOWN_EVENT) return;
  record->set_type(AUDIT_OTHER);
  for (const AuditEvent::Line& line : event.lines()) {
    if (line.type == audit::kProctitle || line.type == audit::kPath || line.type == audit::kCwd)
      continue;
    if (!is_syscall) audit::TakeActor(&decoding, SplitAuditUserText(event.text(line)).kernel);
    audit::KeepOthers(&decoding, event.text(line));
  }
}

}  // namespace cairn::capture
