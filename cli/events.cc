// cairn events: what happened.
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <bitset>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/event_filter.h"
#include "cli/event_table.h"
#include "cli/indexed_log.h"
#include "cli/line_join.h"
#include "cli/logs.h"
#include "cli/record_text.h"
#include "cli/terminal.h"
#include "ledger/reader.h"
#include "ledger/search.h"

namespace cairn::cli {
namespace {

class Printer {
 public:
  // `form`: none is the table. `columns`: align for so many although nobody looks; 0: as the
  // terminal is.
  Printer(std::optional<RecordForm> form, bool wide, size_t columns) : form_(form) {
    style_.columns = columns > 0 || IsTerminal(STDOUT_FILENO);
    style_.colour = WantsColour(STDOUT_FILENO);
    style_.wide = wide;
    style_.width = columns > 0 ? columns : static_cast<size_t>(TerminalColumns(STDOUT_FILENO));
    style_.zone = absl::LocalTimeZone();
    Write(form_.has_value() ? std::string(RecordHead(*form_)) : TableHead(style_));
  }

  void PrintRecord(const ledger::LoggedRecord& logged) {
    line_.clear();
    AppendRecordLine(*form_, logged, &line_);
    Write(line_);
  }

  void PrintRow(const TableRow& row) { Write(TableLine(style_, row)); }

  bool is_table() const { return !form_.has_value(); }

  // False: nobody reads any more.
  bool Flush() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

 private:
  static void Write(absl::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

  const std::optional<RecordForm> form_;
  TableStyle style_;
  std::string line_;
};

struct Source {
  std::string path;
  std::unique_ptr<ledger::LogReader> reader;
  LineJoin join;
};

void Print(const ledger::LoggedRecord& logged, const EventFilter& filter, LineJoin* join,
           Printer* printer) {
  const auto print = [printer](const TableRow& row) { printer->PrintRow(row); };
  if (printer->is_table()) {
    join->Add(logged, filter.Wants(logged), print);
  } else if (filter.Wants(logged)) {
    printer->PrintRecord(logged);
  }
}

// Prints what there is, also behind what cannot be read, which is told on stderr and makes `code` a
// failure. False: nobody reads any more, or the disk fails.
// Rows younger than `print_before_ns` may wait for their audit.link.
bool PrintAvailable(Source* source, const EventFilter& filter, uint64_t print_before_ns,
                    Printer* printer, int* code) {
  ledger::LoggedRecord logged;
  for (;;) {
    const auto end = source->reader->Next(&logged);
    if (!end.ok()) {
      printer->Flush();
      *code = Fail(kFailed, end.status().message());
      if (absl::IsDataLoss(end.status())) continue;
      return false;
    }
    if (*end != ledger::ReadEnd::kRecord) break;
    Print(logged, filter, &source->join, printer);
  }
  source->join.Flush(print_before_ns, [printer](const TableRow& row) { printer->PrintRow(row); });
  return printer->Flush();
}

// The same by the log's index: what cannot fit is not read. Links stand right behind their acts.
bool PrintIndexed(IndexedLog* log, const EventFilter& filter, Printer* printer, int* code) {
  LineJoin join(false);
  std::bitset<256> links;
  links.set(AUDIT_LINK, printer->is_table());
  const absl::Status read =
      ledger::Scan(log->index(), filter.Needs(), links, [&](const ledger::LoggedRecord& logged) {
        Print(logged, filter, &join, printer);
        return std::ferror(stdout) == 0;
      });
  join.Flush(UINT64_MAX, [printer](const TableRow& row) { printer->PrintRow(row); });
  const bool reader = printer->Flush();
  if (!read.ok()) *code = Fail(kFailed, read.message());
  return reader && read.ok();
}

// Sleeps until a log changes, but never long: an inotify queue may overflow; and never wakes more
// than ten times a second.
void WaitForMore(int inotify) {
  ::usleep(100'000);
  pollfd wait = {.fd = inotify, .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, 500) <= 0) return;
  char events[4096];
  while (::read(inotify, events, sizeof(events)) > 0) {
  }
}

int Follow(std::vector<Source>* sources, const EventFilter& filter, Printer* printer) {
  const Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  for (const Source& source : *sources) {
    ::inotify_add_watch(inotify.get(), source.path.c_str(), IN_MODIFY | IN_CREATE);
  }
  int code = kOk;
  for (;;) {
    WaitForMore(inotify.get());
    for (Source& source : *sources) {
      const auto now_ns = static_cast<uint64_t>(absl::GetCurrentTimeNanos());
      if (!PrintAvailable(&source, filter, now_ns - LineJoin::kHoldNs, printer, &code)) return code;
    }
  }
}

int RunEvents(const Arguments& arguments) {
  const std::string format = arguments.Get("--output", "table");
  const std::optional<RecordForm> form = RecordFormOf(format);
  if (!form.has_value() && format != "table") {
    return Fail(kUsage, "events: -o is table, json, ocsf or csv");
  }
  uint32_t columns = 0;
  if (arguments.Has("--columns") && !absl::SimpleAtoi(arguments.Get("--columns"), &columns)) {
    return Fail(kUsage, "events: --columns takes a number");
  }
  const auto filter = EventFilter::Make(arguments);
  if (!filter.ok()) return Fail(kUsage, filter.status().message());
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  const bool follow = arguments.Has("--follow");
  std::vector<Source> sources;
  for (const std::string& log : *logs) {
    auto reader = ledger::LogReader::Open(log);
    if (!reader.ok()) return Fail(reader.status());
    (*reader)->SeekTime(filter->since_ns());
    sources.push_back({log, *std::move(reader), LineJoin(follow)});
  }
  ::signal(SIGPIPE, SIG_IGN);  // `cairn events | head` ends quietly
  Printer printer(form, arguments.Has("--wide"), columns);
  int code = kOk;
  for (Source& source : sources) {
    const auto indexed = follow ? nullptr : IndexedLog::OpenIfWorth(source.path, filter->Needs());
    const bool printed = indexed != nullptr
                             ? PrintIndexed(indexed.get(), *filter, &printer, &code)
                             : PrintAvailable(&source, *filter, UINT64_MAX, &printer, &code);
    if (!printed) return code;
  }
  return follow ? Follow(&sources, *filter, &printer) : code;
}

}  // namespace

Command EventsCommand() {
  Command command;
  command.name = "events";
  command.arguments = "[DIR|FILE]...";
  command.summary = "Show recorded events";
  command.details =
      "One line an act: time, event, who, process, object, result, rules. On a terminal the\n"
      "columns are aligned and coloured by severity; elsewhere they are tab-separated and whole.\n"
      "Reading is not verifying: `cairn verify` says whether a log can be trusted.";
  command.options = {
      {"--follow", "", "go on with what is recorded from now", 'f'},
      {"--output", "FORMAT", "table (default), or a line each: json, ocsf (1.8.0), csv", 'o'},
      {"--wide", "", "never cut the object", 'w'},
      {"--columns", "N", "align for N columns although this is no terminal"}};
  for (const Option& option : FilterOptions()) command.options.push_back(option);
  command.options.push_back(kConfigOption);
  command.max_words = -1;
  command.run = RunEvents;
  return command;
}

}  // namespace cairn::cli
