// A record as one line for programs: the forms that `cairn events -o` knows beside the table.
#ifndef CAIRN_CLI_RECORD_TEXT_H_
#define CAIRN_CLI_RECORD_TEXT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "ledger/reader.h"

namespace cairn::cli {

enum class RecordForm { kJson, kOcsf, kCsv };

// "json", "ocsf", "csv".
std::optional<RecordForm> RecordFormOf(absl::string_view name);
// What stands before the first record; "" but for CSV.
absl::string_view RecordHead(RecordForm form);
// Appends the line with its newline.
void AppendRecordLine(RecordForm form, const ledger::LoggedRecord& logged, std::string* out);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_RECORD_TEXT_H_
