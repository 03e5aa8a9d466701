// String functions: the standard ones and those of cel-go's strings extension.
#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

const char kTooMuch[] = "too much text in one condition";

#define CALL(expression)                                             \
  [](const Value* args, uint32_t count, Scratch* scratch) -> Value { \
    (void)args, (void)count, (void)scratch;                          \
    return expression;                                               \
  }

// Length of the character at the front of `text`: its UTF-8 sequence where it is one, else 1.
size_t CharacterLength(absl::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = first < 0xC2   ? 1
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 1;
  if (length > text.size()) return 1;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 1;
  }
  return length;
}

// The byte at which character `index` begins; npos when there are fewer characters.
size_t ByteOf(absl::string_view text, int64_t index) {
  size_t at = 0;
  for (; index > 0; --index) {
    if (at >= text.size()) return absl::string_view::npos;
    at += CharacterLength(text.substr(at));
  }
  return at;
}

Value Made(Scratch* scratch, absl::string_view text) {
  char* out = scratch->Bytes(static_cast<uint32_t>(text.size()));
  if (out == nullptr) return Value::Error(kTooMuch);
  std::memcpy(out, text.data(), text.size());
  return Value::String({out, text.size()});
}

Value Join(const Value& list, absl::string_view separator, Scratch* scratch) {
  const uint32_t size = ListSize(list);
  uint64_t total = size == 0 ? 0 : separator.size() * (size - 1);
  for (uint32_t i = 0; i < size; ++i) total += ListAt(list, i).size;
  char* out = total > Scratch::kBytes ? nullptr : scratch->Bytes(static_cast<uint32_t>(total));
  if (out == nullptr) return Value::Error(kTooMuch);
  char* at = out;
  for (uint32_t i = 0; i < size; ++i) {
    if (i != 0) at = std::copy(separator.begin(), separator.end(), at);
    const absl::string_view text = ListAt(list, i).view();
    at = std::copy(text.begin(), text.end(), at);
  }
  return Value::String({out, total});
}

Value AddText(const Value* args, uint32_t, Scratch* scratch) {
  const Value both[] = {args[0], args[1]};
  return Join(Value::List(both, 2), "", scratch);
}

template <char (*Map)(unsigned char)>
Value Mapped(const Value* args, uint32_t, Scratch* scratch) {
  const absl::string_view text = args[0].view();
  char* out = scratch->Bytes(static_cast<uint32_t>(text.size()));
  if (out == nullptr) return Value::Error(kTooMuch);
  for (size_t i = 0; i < text.size(); ++i) out[i] = Map(static_cast<unsigned char>(text[i]));
  return Value::String({out, text.size()});
}

Value Substring(const Value* args, uint32_t count, Scratch*) {
  const absl::string_view text = args[0].view();
  const int64_t from = args[1].number;
  const size_t begin = from < 0 ? absl::string_view::npos : ByteOf(text, from);
  size_t end = text.size();
  if (count == 3)
    end = args[2].number < from ? absl::string_view::npos : ByteOf(text, args[2].number);
  if (begin == absl::string_view::npos || end == absl::string_view::npos) {
    return Value::Error("index out of range");
  }
  return Value::String(text.substr(begin, end - begin));
}

Value IndexOf(const Value* args, uint32_t, Scratch*) {
  const size_t at = args[0].view().find(args[1].view());
  if (at == absl::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CodePoints(args[0].view().substr(0, at))));
}

Value IntOf(const Value* args, uint32_t, Scratch*) {
  const absl::string_view text = args[0].view();
  int64_t number;
  const bool digits = !text.empty() && (absl::ascii_isdigit(text[0]) || text[0] == '-');
  if (!digits || !absl::SimpleAtoi(text, &number)) return Value::Error("not an integer");
  return Value::Int(number);
}

Value TextOf(const Value* args, uint32_t, Scratch* scratch) {
  if (args[0].kind == Kind::kBool) return Value::String(args[0].number != 0 ? "true" : "false");
  char digits[24];
  const int size =
      std::snprintf(digits, sizeof digits, "%lld", static_cast<long long>(args[0].number));
  return Made(scratch, {digits, static_cast<size_t>(size)});
}

// A pattern that is not a constant: compiled anew each time, so bounded tightly.
Value Matches(const Value* args, uint32_t, Scratch*) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 16);
  const RE2 regex(re2::StringPiece(args[1].text, args[1].size), options);
  if (!regex.ok()) return Value::Error("not a regular expression");
  return Value::Bool(RE2::PartialMatch(re2::StringPiece(args[0].text, args[0].size), regex));
}

bool StartsWith(const Value* args) {
  return args[0].size >= args[1].size && std::memcmp(args[0].text, args[1].text, args[1].size) == 0;
}
bool EndsWith(const Value* args) {
  return args[0].size >= args[1].size &&
         std::memcmp(args[0].text + (args[0].size - args[1].size), args[1].text, args[1].size) == 0;
}

}  // namespace

size_t CodePoints(absl::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += CharacterLength(text.substr(at))) ++count;
  return count;
}

std::vector<Function> TextFunctions() {
  constexpr Type kS = Type::kString, kI = Type::kInt, kB = Type::kBool;
  std::vector<Function> all = {
      {"_+_", false, {kS, kS}, kS, AddText},
      {"startsWith", true, {kS, kS}, kB, CALL(Value::Bool(StartsWith(args)))},
      {"endsWith", true, {kS, kS}, kB, CALL(Value::Bool(EndsWith(args)))},
      {"contains",
       true,
       {kS, kS},
       kB,
       CALL(Value::Bool(args[0].view().find(args[1].view()) != absl::string_view::npos))},
      {"matches", true, {kS, kS}, kB, Matches},
      {"matches", false, {kS, kS}, kB, Matches},
      {"lowerAscii", true, {kS}, kS, Mapped<absl::ascii_tolower>},
      {"upperAscii", true, {kS}, kS, Mapped<absl::ascii_toupper>},
      {"trim", true, {kS}, kS, CALL(Value::String(absl::StripAsciiWhitespace(args[0].view())))},
      {"substring", true, {kS, kI}, kS, Substring},
      {"substring", true, {kS, kI, kI}, kS, Substring},
      {"indexOf", true, {kS, kS}, kI, IndexOf},
      {"join", true, {Type::kStrings}, kS, CALL(Join(args[0], "", scratch))},
      {"join", true, {Type::kStrings, kS}, kS, CALL(Join(args[0], args[1].view(), scratch))},
      {"int", false, {kS}, kI, IntOf},
      {"int", false, {kI}, kI, CALL(args[0])},
      {"string", false, {kI}, kS, TextOf},
      {"string", false, {kB}, kS, TextOf},
      {"string", false, {kS}, kS, CALL(args[0])},
  };
  for (const bool method : {false, true}) {
    all.push_back({"size",
                   method,
                   {kS},
                   kI,
                   CALL(Value::Int(static_cast<int64_t>(CodePoints(args[0].view()))))});
  }
  return all;
}

}  // namespace cairn::policy::cel
