// Times as people type them.
#ifndef CAIRN_CLI_TIME_ARGUMENT_H_
#define CAIRN_CLI_TIME_ARGUMENT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::cli {

// "10m" (that long ago; s, m, h, d, w), "14:05[:06]" (today), "2026-11-23[ 14:05[:06]]", RFC 3339,
// "@1790000000", and ausearch's words: now, recent (10 minutes), today, yesterday, this-week,
// week-ago, this-month, this-year. InvalidArgument lists them.
absl::StatusOr<absl::Time> ParseTimeArgument(absl::string_view text, absl::Time now,
                                             absl::TimeZone zone);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_TIME_ARGUMENT_H_
