#include "agent/shipper/copies.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/host.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "policy/event_json.h"
#include "policy/event_line.h"

namespace cairn::shipper {
namespace {

constexpr int kPollMs = 500;
constexpr int kRetryMs = 1000;
constexpr int kSaveEvery = 256;  // records looked at

// The directory to follow: that of the newest incarnation.
absl::StatusOr<std::string> NewestLog(const std::string& log_dir) {
  if (::access(absl::StrCat(log_dir, "/", ledger::kKeyFile).c_str(), R_OK) == 0) return log_dir;
  ASSIGN_OR_RETURN(const int incarnation, NewestIncarnation(log_dir));
  return absl::StrCat(log_dir, "/", incarnation);
}

// One entry: what a person reads, and the record as JSON in CAIRN_RECORD.
absl::Status ToJournal(const ledger::LoggedRecord& logged) {
  const policy::EventLine line = policy::DescribeEvent(logged);
  std::string json = "CAIRN_RECORD=";
  policy::AppendEventJson(logged, &json);
  std::vector<std::string> fields = {absl::StrCat("MESSAGE=", line.event, " ", line.who, " ",
                                                  line.process, " ", line.object, " ", line.result),
                                     "PRIORITY=5",
                                     "SYSLOG_IDENTIFIER=cairn",
                                     absl::StrCat("CAIRN_ORIGIN=", logged.origin),
                                     absl::StrCat("CAIRN_SEQUENCE=", logged.sequence),
                                     absl::StrCat("CAIRN_EVENT=", line.event),
                                     std::move(json)};
  for (const absl::string_view rule : logged.rules) {
    fields.push_back(absl::StrCat("CAIRN_RULE=", rule));
  }
  std::vector<iovec> parts;
  parts.reserve(fields.size());
  for (std::string& field : fields) parts.push_back({field.data(), field.size()});
  const int result = ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  return result == 0 ? absl::OkStatus() : ErrnoStatus(-result, "journal");
}

}  // namespace

bool WantsCopy(const std::vector<std::string>& rules, const ledger::LoggedRecord& logged) {
  return std::any_of(rules.begin(), rules.end(), [&](absl::string_view wanted) {
    const bool prefix = absl::ConsumeSuffix(&wanted, "*");
    return std::any_of(logged.rules.begin(), logged.rules.end(), [&](absl::string_view rule) {
      return prefix ? absl::StartsWith(rule, wanted) : rule == wanted;
    });
  });
}

Copies::Copies(CopyOptions options)
    : options_(std::move(options)), stop_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (options_.syslog.has_value()) syslog_ = std::make_unique<SyslogSender>(*options_.syslog);
  Load();
  thread_ = std::thread([this] { Run(); });
}

Copies::~Copies() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  const absl::Status saved = any_ ? Save(origin_, sequence_, wall_ns_) : absl::OkStatus();
  if (!saved.ok()) LogWarning("copies: ", saved.message());
}

bool Copies::Pause(int ms) {
  pollfd stop{stop_.get(), POLLIN, 0};
  return ::poll(&stop, 1, ms) <= 0;
}

void Copies::Load() {
  const absl::StatusOr<std::string> text = ReadFile(options_.state, 4096);
  if (!text.ok()) return;  // from the beginning of the log
  const std::vector<std::string> words = absl::StrSplit(absl::StripSuffix(*text, "\n"), ' ');
  any_ = words.size() == 3 && absl::SimpleAtoi(words[1], &sequence_) &&
         absl::SimpleAtoi(words[2], &wall_ns_);
  if (any_) origin_ = words[0];
  if (!any_) LogWarning(options_.state, ": not what copies left there; the log is copied again");
}

absl::Status Copies::Save(absl::string_view origin, uint64_t sequence, uint64_t wall_ns) {
  const size_t slash = options_.state.rfind('/');
  return WriteFileDurably(Io::Real(), options_.state.substr(0, slash),
                          options_.state.substr(slash + 1),
                          absl::StrCat(origin, " ", sequence, " ", wall_ns, "\n"), 0640);
}

void Copies::Run() {
  std::string last_error;
  while (Pause(0)) {
    absl::StatusOr<std::string> dir = NewestLog(options_.log_dir);
    const absl::Status status = dir.ok() ? Follow(*dir) : dir.status();
    if (!status.ok() && status.message() != last_error) LogWarning("copies: ", status.message());
    last_error = std::string(status.message());
    if (!Pause(kRetryMs)) return;
  }
}

// Until there is a newer incarnation, an error, or the end.
absl::Status Copies::Follow(const std::string& dir) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ledger::LogReader> reader, ledger::LogReader::Open(dir));
  if (any_) reader->SeekTime(wall_ns_);
  int unsaved = 0;
  for (;;) {
    ledger::LoggedRecord logged;
    ASSIGN_OR_RETURN(const ledger::ReadEnd end, reader->Next(&logged));
    if (end != ledger::ReadEnd::kRecord) {
      if (unsaved > 0) RETURN_IF_ERROR(Save(origin_, sequence_, wall_ns_));
      unsaved = 0;
      if (!Pause(kPollMs)) return absl::OkStatus();
      const absl::StatusOr<std::string> newest = NewestLog(options_.log_dir);
      if (newest.ok() && *newest != dir) return absl::OkStatus();
      continue;
    }
    if (any_ && logged.origin == origin_ && logged.sequence <= sequence_) continue;
    while (WantsCopy(options_.rules, logged)) {
      const absl::Status delivered = Deliver(logged);
      if (delivered.ok()) break;
      LogWarning("copies: record ", logged.sequence, ": ", delivered.message(), "; tried again");
      if (!Pause(kRetryMs)) return absl::OkStatus();
    }
    any_ = true;
    origin_ = std::string(logged.origin);
    sequence_ = logged.sequence;
    wall_ns_ = logged.wall_ns;
    if (++unsaved < kSaveEvery) continue;
    RETURN_IF_ERROR(Save(origin_, sequence_, wall_ns_));
    unsaved = 0;
    if (!Pause(0)) return absl::OkStatus();
  }
}

absl::Status Copies::Deliver(const ledger::LoggedRecord& logged) {
  if (options_.journal) RETURN_IF_ERROR(ToJournal(logged));
  if (syslog_ != nullptr) RETURN_IF_ERROR(syslog_->Send(logged));
  return absl::OkStatus();
}

}  // namespace cairn::shipper
