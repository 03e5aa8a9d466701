#include "tests/capture/audit_events.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_split.h"
#include "agent/capture/audit_text.h"
#include "gtest/gtest.h"
#include "tests/paths.h"

namespace cairn::capture {

std::vector<DecodedEvent> DecodeLog(absl::string_view log) {
  std::vector<DecodedEvent> decoded;
  const auto sink = [&decoded](const AuditEvent& event) {
    decoded.emplace_back();
    decoded.back().stamp = event.stamp;
    DecodeAuditEvent(event, &decoded.back().record, &decoded.back().actor);
  };
  AuditAssembler assembler;
  for (absl::string_view line : absl::StrSplit(log, '\n')) {
    const auto parsed = ParseAuditLogLine(line);
    if (parsed) assembler.Add(parsed->stamp, parsed->type, parsed->text, 0, sink);
  }
  assembler.Flush(sink);
  return decoded;
}

DecodedEvent DecodeOne(absl::string_view log) {
  std::vector<DecodedEvent> decoded = DecodeLog(log);
  EXPECT_EQ(decoded.size(), 1u) << log;
  if (decoded.empty()) decoded.emplace_back();
  return decoded[0];
}

std::string CorpusDirectory() {
  std::string path = SharedPath("corpora/audit-logs");
  return std::filesystem::is_directory(path) ? path : "";
}

}  // namespace cairn::capture
