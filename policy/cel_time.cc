// Timestamps (UTC) and durations.
#include <cmath>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

constexpr int64_t kSecondNs = 1000000000;
constexpr int64_t kFirstSecond = -62135596800;  // 0001-01-01T00:00:00Z
constexpr int64_t kLastSecond = 253402300799;   // 9999-12-31T23:59:59Z

#define CALL(expression)                                             \
  [](const Value* args, uint32_t count, Scratch* scratch) -> Value { \
    (void)args, (void)count, (void)scratch;                          \
    return expression;                                               \
  }

Value TimestampOf(const Value* args, uint32_t, Scratch*) {
  const absl::string_view text = args[0].view();
  absl::Time time;
  std::string unused;
  if (text.size() < 20 || text[10] != 'T' ||
      !absl::ParseTime(absl::RFC3339_full, text, &time, &unused)) {
    return Value::Error("not an RFC 3339 time (as in 2026-01-31T00:00:00Z)");
  }
  const int64_t seconds = absl::ToUnixSeconds(time);
  if (seconds < kFirstSecond || seconds > kLastSecond) return Value::Error("time out of range");
  const absl::Duration rest = time - absl::FromUnixSeconds(seconds);
  return Value::Timestamp(seconds, static_cast<uint32_t>(absl::ToInt64Nanoseconds(rest)));
}

Value DurationOf(const Value* args, uint32_t, Scratch*) {
  absl::Duration duration;
  if (!absl::ParseDuration(args[0].view(), &duration) ||
      absl::AbsDuration(duration) >= absl::Nanoseconds(INT64_MAX)) {
    return Value::Error("not a duration (as in 1h30m)");
  }
  return Value::Duration(absl::ToInt64Nanoseconds(duration));
}

Value Shifted(const Value& time, int64_t by_ns) {
  int64_t seconds = time.number + by_ns / kSecondNs;
  int64_t ns = static_cast<int64_t>(time.size) + by_ns % kSecondNs;
  if (ns < 0) {
    ns += kSecondNs;
    --seconds;
  } else if (ns >= kSecondNs) {
    ns -= kSecondNs;
    ++seconds;
  }
  if (seconds < kFirstSecond || seconds > kLastSecond) return Value::Error("time out of range");
  return Value::Timestamp(seconds, static_cast<uint32_t>(ns));
}

Value Between(const Value* args, uint32_t, Scratch*) {
  int64_t ns;
  if (__builtin_mul_overflow(args[0].number - args[1].number, kSecondNs, &ns) ||
      __builtin_add_overflow(ns, int64_t{args[0].size} - int64_t{args[1].size}, &ns)) {
    return Value::Error("duration out of range");
  }
  return Value::Duration(ns);
}

Value Sum(const Value* args, uint32_t, Scratch*) {
  int64_t ns;
  if (__builtin_add_overflow(args[0].number, args[1].number, &ns)) {
    return Value::Error("duration out of range");
  }
  return Value::Duration(ns);
}
Value Difference(const Value* args, uint32_t, Scratch*) {
  int64_t ns;
  if (__builtin_sub_overflow(args[0].number, args[1].number, &ns)) {
    return Value::Error("duration out of range");
  }
  return Value::Duration(ns);
}

absl::CivilSecond Civil(const Value& time) {
  return absl::ToCivilSecond(absl::FromUnixSeconds(time.number), absl::UTCTimeZone());
}
int DayOfWeek(const Value& time) {  // 0: Sunday
  return (static_cast<int>(absl::GetWeekday(absl::CivilDay(Civil(time)))) + 1) % 7;
}

Value Whole(const Value& duration, int64_t unit_ns) {
  return Value::Int(duration.number / unit_ns);
}

}  // namespace

std::vector<Function> TimeFunctions() {
  constexpr Type kT = Type::kTimestamp, kD = Type::kDuration, kI = Type::kInt;
  return {
      {"timestamp", false, {Type::kString}, kT, TimestampOf},
      {"timestamp", false, {kT}, kT, CALL(args[0])},
      {"duration", false, {Type::kString}, kD, DurationOf},
      {"int", false, {kT}, kI, CALL(Value::Int(args[0].number))},
      {"_+_", false, {kT, kD}, kT, CALL(Shifted(args[0], args[1].number))},
      {"_+_", false, {kD, kT}, kT, CALL(Shifted(args[1], args[0].number))},
      {"_-_",
       false,
       {kT, kD},
       kT,
       CALL(args[1].number == INT64_MIN ? Value::Error("time out of range")
                                        : Shifted(args[0], -args[1].number))},
      {"_-_", false, {kT, kT}, kD, Between},
      {"_+_", false, {kD, kD}, kD, Sum},
      {"_-_", false, {kD, kD}, kD, Difference},
      {"getFullYear", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).year()))},
      {"getMonth", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).month() - 1))},
      {"getDate", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).day()))},
      {"getDayOfMonth", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).day() - 1))},
      {"getDayOfWeek", true, {kT}, kI, CALL(Value::Int(DayOfWeek(args[0])))},
      {"getDayOfYear",
       true,
       {kT},
       kI,
       CALL(Value::Int(absl::GetYearDay(absl::CivilDay(Civil(args[0]))) - 1))},
      {"getHours", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).hour()))},
      {"getMinutes", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).minute()))},
      {"getSeconds", true, {kT}, kI, CALL(Value::Int(Civil(args[0]).second()))},
      {"getHours", true, {kD}, kI, CALL(Whole(args[0], 3600 * kSecondNs))},
      {"getMinutes", true, {kD}, kI, CALL(Whole(args[0], 60 * kSecondNs))},
      {"getSeconds", true, {kD}, kI, CALL(Whole(args[0], kSecondNs))},
  };
}

}  // namespace cairn::policy::cel
