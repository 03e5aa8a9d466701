#include "cli/event_table.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/terminal.h"
#include "policy/event_json.h"

namespace cairn::cli {
namespace {

constexpr size_t kTime = 12;
constexpr size_t kEvent = 19;
constexpr size_t kWho = 10;
constexpr size_t kProcess = 20;
constexpr size_t kResult = 8;
constexpr size_t kRules = 18;
constexpr size_t kFixed = kTime + kEvent + kWho + kProcess + kResult + kRules + 6;
constexpr size_t kLeastObject = 16;

size_t ObjectWidth(const TableStyle& style) {
  return style.width > kFixed + kLeastObject ? style.width - kFixed : kLeastObject;
}

absl::string_view Hue(Severity severity) {
  switch (severity) {
    case SEVERITY_CRITICAL:
      return "1;37;41";
    case SEVERITY_HIGH:
      return "1;31";
    case SEVERITY_MEDIUM:
      return "33";
    case SEVERITY_LOW:
      return "36";
    default:
      return "";
  }
}

// Events stand out by what they are about.
absl::string_view EventHue(absl::string_view event) {
  if (absl::StartsWith(event, "agent.")) return "2";
  if (absl::StartsWith(event, "process.")) return "32";
  if (absl::StartsWith(event, "file.")) return "34";
  if (absl::StartsWith(event, "net.")) return "35";
  return "33";
}

std::string Row(const TableStyle& style, const policy::EventLine& line) {
  std::string object = style.wide ? line.object : Pad(line.object, ObjectWidth(style));
  return absl::StrCat(Pad(line.who, kWho), " ", Pad(line.process, kProcess), " ", object, " ",
                      Pad(line.result, kResult), " ",
                      style.wide ? line.rules : Fit(line.rules, kRules));
}

}  // namespace

std::string TableHead(const TableStyle& style) {
  if (!style.columns) return "";
  policy::EventLine head;
  head.who = "WHO";
  head.process = "PROCESS";
  head.object = "OBJECT";
  head.result = "RESULT";
  head.rules = "RULE";
  return Paint(absl::StrCat(Pad("TIME", kTime), " ", Pad("EVENT", kEvent), " ", Row(style, head)),
               "1;4", style.colour) +
         "\n";
}

TableRow RowOf(const ledger::LoggedRecord& logged) {
  return {logged.wall_ns, logged.record->severity(), policy::DescribeEvent(logged)};
}

std::string TableLine(const TableStyle& style, const TableRow& shown) {
  const policy::EventLine& line = shown.line;
  if (!style.columns) {
    return absl::StrCat(policy::FormatWallTime(shown.wall_ns), "\t", line.event, "\t", line.who,
                        "\t", line.process, "\t", line.object, "\t", line.result, "\t", line.rules,
                        "\n");
  }
  const absl::Time time = absl::FromUnixNanos(static_cast<int64_t>(shown.wall_ns));
  const std::string clock = absl::FormatTime("%H:%M:%E3S", time, style.zone);
  const absl::string_view hue = Hue(shown.severity);
  const bool failed = line.result != "ok" && line.result != "-" && line.result != "exit 0";
  std::string row = Row(style, line);
  const absl::string_view row_hue = !hue.empty() ? hue : failed ? "31" : "";
  return absl::StrCat(Paint(Pad(clock, kTime), "2", style.colour), " ",
                      Paint(Pad(line.event, kEvent), EventHue(line.event), style.colour), " ",
                      Paint(row, row_hue, style.colour), "\n");
}

}  // namespace cairn::cli
