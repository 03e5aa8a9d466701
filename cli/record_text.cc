#include "cli/record_text.h"

#include "absl/strings/str_cat.h"
#include "cli/csv.h"
#include "policy/event_json.h"
#include "policy/event_line.h"
#include "policy/ocsf.h"

namespace cairn::cli {
namespace {

void AppendCsv(const ledger::LoggedRecord& logged, std::string* out) {
  const policy::EventLine line = policy::DescribeEvent(logged);
  absl::StrAppend(out, policy::FormatWallTime(logged.wall_ns));
  for (const std::string* field :
       {&line.event, &line.who, &line.process, &line.object, &line.result, &line.rules}) {
    absl::StrAppend(out, ",", CsvField(*field));
  }
}

}  // namespace

std::optional<RecordForm> RecordFormOf(absl::string_view name) {
  if (name == "json") return RecordForm::kJson;
  if (name == "ocsf") return RecordForm::kOcsf;
  if (name == "csv") return RecordForm::kCsv;
  return std::nullopt;
}

absl::string_view RecordHead(RecordForm form) {
  return form == RecordForm::kCsv ? "time,event,who,process,object,result,rules\n" : "";
}

void AppendRecordLine(RecordForm form, const ledger::LoggedRecord& logged, std::string* out) {
  switch (form) {
    case RecordForm::kJson:
      policy::AppendEventJson(logged, out);
      break;
    case RecordForm::kOcsf:
      policy::AppendOcsf(logged, "", out);
      break;
    case RecordForm::kCsv:
      AppendCsv(logged, out);
      break;
  }
  out->push_back('\n');
}

}  // namespace cairn::cli
