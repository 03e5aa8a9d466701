// cairn report: how much of what, as aureport does.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/escape.h"
#include "base/human.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/event_filter.h"
#include "cli/json.h"
#include "cli/logs.h"
#include "cli/terminal.h"
#include "ledger/reader.h"
#include "policy/event_json.h"
#include "policy/event_line.h"
#include "proto/names.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxKeys = 1 << 20;  // of one section; the rest is counted as "(others)"
constexpr const char* kSections[] = {"event", "user", "exe", "rule", "host"};

using Section = std::map<std::string, uint64_t>;

struct Summary {
  std::map<std::string, Section> sections;  // by name in kSections
  uint64_t records = 0;
  uint64_t failed = 0;
  uint64_t lost = 0;
  uint64_t first_ns = 0;
  uint64_t last_ns = 0;
};

void Count(Section* section, std::string key) {
  if (section->size() >= kMaxKeys && !section->contains(key)) key = "(others)";
  ++(*section)[key];
}

void Add(const ledger::LoggedRecord& logged, Summary* summary) {
  const Record& record = *logged.record;
  ++summary->records;
  if (summary->first_ns == 0 || logged.wall_ns < summary->first_ns) {
    summary->first_ns = logged.wall_ns;
  }
  summary->last_ns = std::max(summary->last_ns, logged.wall_ns);
  if (record.has_loss()) summary->lost += record.loss().count();
  if (record.ret() < 0 || record.outcome() == OUTCOME_FAILURE) ++summary->failed;
  Count(&summary->sections["event"], std::string(EventName(record.type())));
  if (logged.process != nullptr) {
    Count(&summary->sections["user"], policy::DescribeUser(*logged.process));
    Count(&summary->sections["exe"], logged.process->exe());
  }
  for (const absl::string_view rule : logged.rules) {
    Count(&summary->sections["rule"], std::string(rule));
  }
  Count(&summary->sections["host"], std::string(logged.origin));
}

// Most frequent first, names in order among equals.
std::vector<std::pair<std::string, uint64_t>> Ranked(const Section& section) {
  std::vector<std::pair<std::string, uint64_t>> rows(section.begin(), section.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return rows;
}

void PrintSection(const std::string& name, const Section& section, size_t top, bool colour) {
  std::puts(Paint(absl::StrCat("by ", name), "1", colour).c_str());
  const auto rows = Ranked(section);
  for (size_t i = 0; i < rows.size() && i < top; ++i) {
    std::puts(absl::StrFormat("  %12s  %s", HumanCount(rows[i].second), EscapeBytes(rows[i].first))
                  .c_str());
  }
  if (rows.size() > top)
    std::puts(absl::StrFormat("  %12s  more", absl::StrCat("+", rows.size() - top)).c_str());
}

void PrintText(const Summary& summary, const std::vector<std::string>& sections, size_t top) {
  const bool colour = WantsColour(STDOUT_FILENO);
  std::puts(absl::StrCat(HumanCount(summary.records), " records, ", HumanCount(summary.failed),
                         " failed acts, ", HumanCount(summary.lost), " lost")
                .c_str());
  if (summary.records > 0) {
    std::puts(absl::StrCat("from ", policy::FormatWallTime(summary.first_ns), " to ",
                           policy::FormatWallTime(summary.last_ns))
                  .c_str());
  }
  for (const std::string& name : sections) {
    const auto found = summary.sections.find(name);
    if (found != summary.sections.end()) PrintSection(name, found->second, top, colour);
  }
}

void PrintJson(const Summary& summary, const std::vector<std::string>& sections) {
  JsonObject json;
  json.Number("records", summary.records);
  json.Number("failed", summary.failed);
  json.Number("lost", summary.lost);
  if (summary.records > 0) {
    json.Text("from", policy::FormatWallTime(summary.first_ns));
    json.Text("to", policy::FormatWallTime(summary.last_ns));
  }
  for (const std::string& name : sections) {
    std::vector<std::string> rows;
    const auto found = summary.sections.find(name);
    if (found != summary.sections.end()) {
      for (const auto& [key, count] : Ranked(found->second)) {
        JsonObject row;
        row.Text("name", key);
        row.Number("count", count);
        rows.push_back(row.Done());
      }
    }
    json.Raw(absl::StrCat("by_", name), JsonArray(rows));
  }
  std::puts(json.Done().c_str());
}

absl::Status Read(const std::string& log, const EventFilter& filter, Summary* summary) {
  ASSIGN_OR_RETURN(const auto reader, ledger::LogReader::Open(log));
  reader->SeekTime(filter.since_ns());
  ledger::LoggedRecord logged;
  for (;;) {
    ASSIGN_OR_RETURN(const ledger::ReadEnd end, reader->Next(&logged));
    if (end != ledger::ReadEnd::kRecord) return absl::OkStatus();
    if (filter.Wants(logged)) Add(logged, summary);
  }
}

int RunReport(const Arguments& arguments) {
  const std::string format = arguments.Get("--output", "text");
  if (format != "text" && format != "json") return Fail(kUsage, "report: -o is text or json");
  std::vector<std::string> sections = arguments.All("--by");
  for (const std::string& name : sections) {
    if (std::find(std::begin(kSections), std::end(kSections), name) == std::end(kSections)) {
      return Fail(kUsage, "report: --by is event, user, exe, rule or host");
    }
  }
  if (sections.empty()) sections.assign(std::begin(kSections), std::end(kSections));
  const auto filter = EventFilter::Make(arguments);
  if (!filter.ok()) return Fail(kUsage, filter.status().message());
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  Summary summary;
  for (const std::string& log : *logs) {
    const absl::Status read = Read(log, *filter, &summary);
    if (!read.ok()) return Fail(read);
  }
  format == "json" ? PrintJson(summary, sections)
                   : PrintText(summary, sections, arguments.Has("--all") ? SIZE_MAX : 10);
  return kOk;
}

}  // namespace

Command ReportCommand() {
  Command command;
  command.name = "report";
  command.arguments = "[DIR|FILE]...";
  command.summary = "Sum up recorded events by event, user, program, rule and host";
  command.options = {{"--by", "WHAT", "only event, user, exe, rule or host; may be given again"},
                     {"--all", "", "every row, not the ten most frequent"},
                     {"--output", "FORMAT", "text (default) or json", 'o'}};
  for (const Option& option : FilterOptions()) command.options.push_back(option);
  command.options.push_back(kConfigOption);
  command.max_words = -1;
  command.run = RunReport;
  return command;
}

}  // namespace cairn::cli
