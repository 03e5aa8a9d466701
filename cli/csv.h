// One field of a CSV line (RFC 4180) that neither a parser nor a spreadsheet takes for more than
// text.
#ifndef CAIRN_CLI_CSV_H_
#define CAIRN_CLI_CSV_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace cairn::cli {

// `escaped` went through EscapeBytes. A field that a spreadsheet would run as a formula begins
// with an apostrophe.
inline std::string CsvField(absl::string_view escaped) {
  const bool formula = !escaped.empty() &&
                       absl::string_view("=+-@").find(escaped[0]) != absl::string_view::npos &&
                       escaped != "-";
  return absl::StrCat("\"", formula ? "'" : "", absl::StrReplaceAll(escaped, {{"\"", "\"\""}}),
                      "\"");
}

}  // namespace cairn::cli

#endif  // CAIRN_CLI_CSV_H_
