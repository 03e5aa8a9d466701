#include "cli/line_join.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::cli {
namespace {

void Join(const TableRow& link, TableRow* row) {
  policy::EventLine* line = &row->line;
  absl::StrAppend(&line->object, " [audit: ", link.line.object, "]");
  for (const absl::string_view rule : absl::StrSplit(link.line.rules, ',', absl::SkipEmpty())) {
    const std::vector<absl::string_view> known = absl::StrSplit(line->rules, ',');
    if (std::find(known.begin(), known.end(), rule) != known.end()) continue;
    absl::StrAppend(&line->rules, line->rules.empty() ? "" : ",", rule);
  }
  row->severity = std::max(row->severity, link.severity);
}

}  // namespace

TableRow* LineJoin::Find(uint64_t sequence) {
  const auto found =
      std::lower_bound(held_.begin(), held_.end(), sequence,
                       [](const Held& held, uint64_t wanted) { return held.sequence < wanted; });
  return found != held_.end() && found->sequence == sequence ? &found->row : nullptr;
}

void LineJoin::Add(const ledger::LoggedRecord& logged, bool wanted, Sink sink) {
  if (logged.record->type() == AUDIT_LINK) {
    holds_ = true;
    TableRow* partner = Find(logged.record->audit().linked_sequence());
    if (partner != nullptr) return Join(RowOf(logged), partner);
  }
  if (!wanted) return;
  held_.push_back({logged.sequence, RowOf(logged)});
  const uint64_t now_ns = logged.wall_ns;
  Flush(holds_ ? now_ns - std::min(now_ns, kHoldNs) : UINT64_MAX, sink);
  while (held_.size() > kLines) {
    sink(held_.front().row);
    held_.pop_front();
  }
}

void LineJoin::Flush(uint64_t before_wall_ns, Sink sink) {
  while (!held_.empty() && held_.front().row.wall_ns < before_wall_ns) {
    sink(held_.front().row);
    held_.pop_front();
  }
}

}  // namespace cairn::cli
