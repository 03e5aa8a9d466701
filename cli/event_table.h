// Records as lines on a terminal: columns that line up and fit, coloured by severity; or, where
// nobody looks, the same columns whole, tab-separated.
#ifndef CAIRN_CLI_EVENT_TABLE_H_
#define CAIRN_CLI_EVENT_TABLE_H_

#include <string>

#include "absl/time/time.h"
#include "policy/event_line.h"

namespace cairn::cli {

struct TableStyle {
  bool columns = false;  // aligned and cut to `width`; else tab-separated and whole
  bool colour = false;
  bool wide = false;  // aligned, but the object is never cut
  size_t width = 80;
  absl::TimeZone zone;
};

struct TableRow {
  uint64_t wall_ns = 0;
  Severity severity = SEVERITY_NONE;
  policy::EventLine line;
};
TableRow RowOf(const ledger::LoggedRecord& logged);

std::string TableHead(const TableStyle& style);
std::string TableLine(const TableStyle& style, const TableRow& shown);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_EVENT_TABLE_H_
