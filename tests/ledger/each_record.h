// What a log holds, as tests look at it.
#ifndef CAIRN_TESTS_LEDGER_EACH_RECORD_H_
#define CAIRN_TESTS_LEDGER_EACH_RECORD_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "ledger/reader.h"

namespace cairn::ledger {

// Every record of a log (a directory or a segment), in order. An error fails the test.
inline void ForEachRecord(const std::string& log,
                          absl::FunctionRef<void(const LoggedRecord&)> take) {
  const auto reader = LogReader::Open(log);
  ASSERT_TRUE(reader.ok()) << reader.status();
  LoggedRecord logged;
  for (;;) {
    const auto end = (*reader)->Next(&logged);
    ASSERT_TRUE(end.ok()) << end.status();
    if (*end != ReadEnd::kRecord) return;
    take(logged);
  }
}

}  // namespace cairn::ledger

#endif  // CAIRN_TESTS_LEDGER_EACH_RECORD_H_
