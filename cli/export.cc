// cairn export: a copy of a log that may be shown to others, and still verifies.
#include "ledger/export.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/human.h"
#include "cli/command.h"
#include "cli/event_filter.h"
#include "cli/logs.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

using Range = std::pair<uint64_t, uint64_t>;  // first and last record

// "17" or "17-20".
absl::StatusOr<Range> ParseRange(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits('-', 1));
  Range range;
  if (!absl::SimpleAtoi(ends.first, &range.first) ||
      !absl::SimpleAtoi(ends.second.empty() ? ends.first : ends.second, &range.second) ||
      range.second < range.first) {
    return absl::InvalidArgumentError(absl::StrCat("--records: '", text, "' is not N or N-M"));
  }
  return range;
}

absl::StatusOr<std::vector<Range>> RangesOf(const Arguments& arguments) {
  std::vector<Range> ranges;
  for (const std::string& text : arguments.All("--records")) {
    auto range = ParseRange(text);
    if (!range.ok()) return range.status();
    ranges.push_back(*range);
  }
  return ranges;
}

int RunExport(const Arguments& arguments) {
  if (!arguments.Has("--to")) return Fail(kUsage, "export: --to DIR says where the copy goes");
  const auto filter = EventFilter::Make(arguments);
  if (!filter.ok()) return Fail(kUsage, filter.status().message());
  const auto ranges = RangesOf(arguments);
  if (!ranges.ok()) return Fail(kUsage, ranges.status().message());
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  if (logs->size() != 1) return Fail(kUsage, "export: one log at a time");
  const bool redact = arguments.Has("--redact");
  ledger::ExportOptions options;
  options.hide = [&](const ledger::LoggedRecord& logged) {
    if (!redact || !filter->Wants(logged)) return false;
    return ranges->empty() || std::any_of(ranges->begin(), ranges->end(), [&](const Range& range) {
             return range.first <= logged.sequence && logged.sequence <= range.second;
           });
  };
  absl::StatusOr<ledger::ExportSummary> summary;
  {
    Progress progress("copying");
    options.progress = [&](uint64_t done, uint64_t total) { progress.Show(done, total); };
    summary = ledger::ExportLog(logs->front(), arguments.Get("--to"), options);
  }
  if (!summary.ok()) return Fail(summary.status());
  std::printf("%s blocks in %s segments, %s redacted\n", HumanCount(summary->blocks).c_str(),
              HumanCount(summary->segments).c_str(), HumanCount(summary->redacted).c_str());
  return kOk;
}

}  // namespace

Command ExportCommand() {
  Command command;
  command.name = "export";
  command.arguments = "--to DIR [--redact] [DIR]";
  command.summary = "Copy a log, with some records hidden, so that the copy still verifies";
  command.details =
      "With --redact, each block that holds a record which fits all the conditions given gives\n"
      "way to its leaf hash and tag: the whole block, whatever else it holds. `cairn verify\n"
      "--redacted` checks such a copy against the same key and receipts, and lists what is "
      "hidden.\n"
      "How many records are hidden, and their numbers, it does not hide.";
  command.options = {{"--to", "DIR", "a new directory for the copy"},
                     {"--redact", "", "hide what the conditions fit"},
                     {"--records", "N[-M]", "only records of these numbers; may be repeated"}};
  for (const Option& option : FilterOptions()) command.options.push_back(option);
  command.options.push_back(kConfigOption);
  command.max_words = 1;
  command.run = RunExport;
  return command;
}

}  // namespace cairn::cli
