// Audit text of any shape: one byte picks how the input is fed, the rest is lines.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "agent/capture/audit_assembly.h"
#include "agent/capture/audit_decode.h"
#include "agent/capture/audit_text.h"

using cairn::capture::AuditActor;
using cairn::capture::AuditAssembler;
using cairn::capture::AuditBounds;
using cairn::capture::AuditEvent;
using cairn::capture::DecodeAuditEvent;
using cairn::capture::ParseAuditLogLine;

namespace {

void Require(bool fact) {
  if (!fact) abort();
}

// What must hold for whatever was put in.
void Check(const AuditEvent& event) {
  cairn::Record record;
  AuditActor actor;
  DecodeAuditEvent(event, &record, &actor);
  const std::string& text = record.audit().text();
  size_t lines = text.empty() ? 0 : 1;
  for (char c : text) lines += c == '\n';
  Require(record.type() != cairn::UNKNOWN_EVENT);
  Require(lines <= event.lines().size());
  Require(text.size() <= AuditBounds::kText);
  Require(record.file().path().size() <= AuditBounds::kPath);
  Require(record.audit().fields().size() <= AuditBounds::kFields + 1);
  Require(record.audit().incomplete() || event.complete);
  size_t argv = 0;
  for (const std::string& argument : actor.process.argv()) argv += argument.size();
  Require(argv <= AuditBounds::kArgv);
  std::string bytes;
  Require(record.SerializeToString(&bytes) && actor.process.SerializeToString(&bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1) {  // as the kernel hands it over: one record, any type
    AuditEvent event;
    event.stamp = {1700000000123, data[0]};
    event.Add(static_cast<uint16_t>(1100 + data[0] * 3), input);
    Check(event);
    return 0;
  }
  AuditAssembler assembler({.max_open = 8, .max_bytes = 4096});
  uint64_t now = 0;
  for (absl::string_view line : absl::StrSplit(input, '\n')) {
    const auto parsed = ParseAuditLogLine(line);
    if (parsed) assembler.Add(parsed->stamp, parsed->type, parsed->text, ++now, Check);
    Require(assembler.open() <= 8);
  }
  assembler.Expire(now + 100'000'000'000, Check);
  Require(assembler.open() == 0);
  return 0;
}
