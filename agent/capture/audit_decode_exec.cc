// EXECVE records: "argc=2 a0="/bin/echo" a1_len=16384 a1[0]=6261... a1[1]=...", over several
// records when long, which may come in any order.

#include <algorithm>
#include <tuple>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "agent/capture/audit_decode_parts.h"

namespace cairn::capture::audit {
namespace {

// "a3" or "a3[7]".
struct ArgumentName {
  uint32_t index = 0;
  uint32_t chunk = 0;
  bool is_length = false;  // "a3_len"
};

std::optional<ArgumentName> ParseArgumentName(absl::string_view name) {
  ArgumentName parsed;
  if (!absl::ConsumePrefix(&name, "a")) return std::nullopt;
  parsed.is_length = absl::ConsumeSuffix(&name, "_len");
  const size_t bracket = name.find('[');
  if (bracket != absl::string_view::npos) {
    absl::string_view chunk = name.substr(bracket + 1);
    if (!absl::ConsumeSuffix(&chunk, "]") || !absl::SimpleAtoi(chunk, &parsed.chunk)) {
      return std::nullopt;
    }
    name = name.substr(0, bracket);
  }
  if (!absl::SimpleAtoi(name, &parsed.index)) return std::nullopt;
  return parsed;
}

struct Piece {
  ArgumentName name;
  AuditField field;
};

std::vector<Piece> CollectPieces(const Decoding& d) {
  std::vector<Piece> pieces;
  for (const AuditEvent::Line& line : d.event.lines()) {
    if (line.type != kExecve) continue;
    AuditFields fields(d.event.text(line));
    for (AuditField field; fields.Next(&field);) {
      const auto name = ParseArgumentName(field.name);
      if (name && !name->is_length) pieces.push_back({*name, field});
    }
  }
  std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.name.index, a.name.chunk) < std::tie(b.name.index, b.name.chunk);
  });
  return pieces;
}

}  // namespace

void TakeArguments(Decoding* d) {
  Process* process = &d->actor->process;
  size_t length = 0, kept = 0;
  uint32_t last = 0;
  for (const Piece& piece : CollectPieces(*d)) {
    const bool starts = process->argv_size() == 0 || piece.name.index != last;
    last = piece.name.index;
    // An empty argument is "": the encodings of nothing ("?") are words like any other here.
    std::string bytes;
    if (piece.field.quoted || !DecodeHex(piece.field.value, &bytes)) {
      bytes.assign(piece.field.value.data(), piece.field.value.size());
    }
    length += bytes.size() + (starts ? 1 : 0);
    if (process->argv_size() >= static_cast<int>(AuditBounds::kArguments) && starts) continue;
    bytes.resize(std::min(bytes.size(), AuditBounds::kArgv - kept));
    kept += bytes.size();
    if (starts) {
      if (kept < AuditBounds::kArgv) process->add_argv(std::move(bytes));
    } else {
      process->mutable_argv(process->argv_size() - 1)->append(bytes);
    }
  }
  if (kept + static_cast<size_t>(process->argv_size()) < length) {
    process->set_argv_length(static_cast<uint32_t>(length));
  }
}

}  // namespace cairn::capture::audit
