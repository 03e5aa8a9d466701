// A copy of a log for others' eyes: some blocks give way to their leaf hash and tag, and all that
// is signed still verifies. proto/FORMAT.md §5.
#ifndef CAIRN_LEDGER_EXPORT_H_
#define CAIRN_LEDGER_EXPORT_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "ledger/reader.h"

namespace cairn::ledger {

struct ExportOptions {
  // A block that holds one such record is redacted whole; an epoch's opening and close never are,
  // for they hold keys that a verifier needs.
  std::function<bool(const LoggedRecord&)> hide;
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes
};

struct ExportSummary {
  uint64_t segments = 0;
  uint64_t blocks = 0;
  uint64_t redacted = 0;  // blocks
};

// Copies the segments, `checkpoint`, log.vkey and receipts of the log at `from` into `to`, which
// must not exist or be empty. AlreadyExists: it is not. DataLoss: the log is damaged; what was
// copied stays. Memory: a segment.
absl::StatusOr<ExportSummary> ExportLog(const std::string& from, const std::string& to,
                                        const ExportOptions& options);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_EXPORT_H_
