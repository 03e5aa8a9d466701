#include "cli/time_argument.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn::cli {
namespace {

absl::Duration Unit(char letter) {
  switch (letter) {
    case 's':
      return absl::Seconds(1);
    case 'm':
      return absl::Minutes(1);
    case 'h':
      return absl::Hours(1);
    case 'd':
      return absl::Hours(24);
    case 'w':
      return absl::Hours(24 * 7);
    default:
      return absl::ZeroDuration();
  }
}

bool ParseWord(absl::string_view text, absl::Time now, absl::TimeZone zone, absl::Time* time) {
  const absl::CivilDay today(absl::ToCivilSecond(now, zone));
  const auto start = [zone](absl::CivilDay day) { return absl::FromCivil(day, zone); };
  if (text == "now") {
    *time = now;
  } else if (text == "recent") {
    *time = now - absl::Minutes(10);
  } else if (text == "today") {
    *time = start(today);
  } else if (text == "yesterday") {
    *time = start(today - 1);
  } else if (text == "this-week") {
    *time = start(absl::PrevWeekday(today + 1, absl::Weekday::sunday));
  } else if (text == "week-ago") {
    *time = start(today - 7);
  } else if (text == "this-month") {
    *time = start(absl::CivilDay(absl::CivilMonth(today)));
  } else if (text == "this-year") {
    *time = start(absl::CivilDay(absl::CivilYear(today)));
  } else {
    return false;
  }
  return true;
}

bool ParseAge(absl::string_view text, absl::Time now, absl::Time* time) {
  uint32_t count = 0;
  if (text.size() < 2 || !absl::SimpleAtoi(text.substr(0, text.size() - 1), &count)) return false;
  const absl::Duration unit = Unit(text.back());
  if (unit == absl::ZeroDuration()) return false;
  *time = now - count * unit;
  return true;
}

}  // namespace

absl::StatusOr<absl::Time> ParseTimeArgument(absl::string_view text, absl::Time now,
                                             absl::TimeZone zone) {
  absl::Time time;
  if (ParseWord(text, now, zone, &time) || ParseAge(text, now, &time)) return time;
  int64_t unix_s = 0;
  if (!text.empty() && text[0] == '@' && absl::SimpleAtoi(text.substr(1), &unix_s)) {
    return absl::FromUnixSeconds(unix_s);
  }
  const std::string today = absl::FormatTime("%Y-%m-%d ", now, zone);
  const std::string dated = absl::StrCat(today, text);
  for (const char* format : {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M"}) {
    if (absl::ParseTime(format, dated, zone, &time, nullptr)) return time;
  }
  for (const char* format : {absl::RFC3339_full, "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S",
                             "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, text, zone, &time, nullptr)) return time;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text,
                   "' is no time: 10m, 14:05, 2026-11-23 14:05:06, RFC 3339, "
                   "@1790000000, now, recent, today, yesterday, this-week, week-ago, this-month "
                   "or this-year"));
}

}  // namespace cairn::cli
