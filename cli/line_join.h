// Two records of one act as one line: an audit.link shows beside the record it names.
#ifndef CAIRN_CLI_LINE_JOIN_H_
#define CAIRN_CLI_LINE_JOIN_H_

#include <cstdint>
#include <deque>

#include "absl/functional/function_ref.h"
#include "cli/event_table.h"
#include "ledger/reader.h"

namespace cairn::cli {

// Holds the lines of one log back until the link of their act could have come. While someone
// follows, nothing is held before a first link has shown that kernel audit has rules at all.
class LineJoin {
 public:
  using Sink = absl::FunctionRef<void(const TableRow&)>;
  static constexpr uint64_t kHoldNs = 500'000'000;  // wall; how late a link is joined
  static constexpr size_t kLines = 8192;

  explicit LineJoin(bool follow) : holds_(!follow) {}

  // One record, in order. A link joins its partner whatever the filter says; `wanted`: it is
  // shown, alone where it found none.
  void Add(const ledger::LoggedRecord& logged, bool wanted, Sink sink);
  // Lets go of all lines older than that.
  void Flush(uint64_t before_wall_ns, Sink sink);

 private:
  struct Held {
    uint64_t sequence;
    TableRow row;
  };
  TableRow* Find(uint64_t sequence);

  bool holds_;
  std::deque<Held> held_;  // by sequence
};

}  // namespace cairn::cli

#endif  // CAIRN_CLI_LINE_JOIN_H_
