#include "policy/cel_lexer.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace cairn::policy::cel {
namespace {

bool Fail(Error* error, size_t offset, std::string cause) {
  *error = {offset, std::move(cause)};
  return false;
}

void AppendUtf8(uint32_t point, std::string* out) {
  if (point < 0x80) {
    out->push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (point >> 6)));
    out->push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else if (point < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (point >> 12)));
    out->push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (point >> 18)));
    out->push_back(static_cast<char>(0x80 | ((point >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (point & 0x3F)));
  }
}

bool IsWord(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

void Lexer::SkipBlanks() {
  while (at_ < source_.size()) {
    if (absl::StartsWith(source_.substr(at_), "//")) {
      const size_t end = source_.find('\n', at_);
      at_ = end == absl::string_view::npos ? source_.size() : end;
    } else if (absl::string_view(" \t\n\r\f").find(source_[at_]) != absl::string_view::npos) {
      ++at_;
    } else {
      return;
    }
  }
}

bool Lexer::Next(Token* token, Error* error) {
  SkipBlanks();
  *token = Token();
  token->offset = at_;
  if (at_ == source_.size()) return true;
  const char c = source_[at_];
  if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return Number(token, error);
  if (c == '"' || c == '\'') return String(token, false, error);
  if ((c == 'r' || c == 'R') && at_ + 1 < source_.size() &&
      (source_[at_ + 1] == '"' || source_[at_ + 1] == '\'')) {
    ++at_;
    return String(token, true, error);
  }
  if (IsWord(c)) {
    size_t end = at_;
    while (end < source_.size() && IsWord(source_[end])) ++end;
    token->kind = Token::Kind::kName;
    token->symbol = source_.substr(at_, end - at_);
    at_ = end;
    return true;
  }
  static constexpr absl::string_view kSymbols[] = {"&&", "||", "==", "!=", "<=", ">=", "<", ">",
                                                   "!",  "+",  "-",  "*",  "/",  "%",  "?", ":",
                                                   "(",  ")",  "[",  "]",  ",",  "."};
  for (const absl::string_view symbol : kSymbols) {
    if (!absl::StartsWith(source_.substr(at_), symbol)) continue;
    token->kind = Token::Kind::kSymbol;
    token->symbol = symbol;
    at_ += symbol.size();
    return true;
  }
  if (c == '=') return Fail(error, at_, "'=' is not an operator (did you mean '=='?)");
  if (c == '&' || c == '|')
    return Fail(error, at_, absl::StrCat("did you mean '", std::string(2, c), "'?"));
  if (c == '{') return Fail(error, at_, "maps and messages cannot be built in a condition");
  return Fail(error, at_, absl::StrCat("unexpected '", EscapeBytes(source_.substr(at_, 1)), "'"));
}

bool Lexer::Number(Token* token, Error* error) {
  const size_t start = at_;
  const bool hex =
      absl::StartsWith(source_.substr(at_), "0x") || absl::StartsWith(source_.substr(at_), "0X");
  while (at_ < source_.size() && IsWord(source_[at_])) ++at_;
  const absl::string_view digits = source_.substr(start, at_ - start);
  const bool fraction = at_ + 1 < source_.size() && source_[at_] == '.' &&
                        absl::ascii_isdigit(static_cast<unsigned char>(source_[at_ + 1]));
  if (fraction) return Fail(error, start, "only whole numbers are part of cairn's conditions");
  const char last = digits.back();
  if (!hex && (last == 'u' || last == 'U')) {
    return Fail(error, start, "unsigned literals are not needed: all numbers are int");
  }
  const bool good = hex ? digits.size() <= 18 && absl::SimpleHexAtoi(digits, &token->number)
                        : absl::SimpleAtoi(digits, &token->number);
  if (!good || token->number > (uint64_t{1} << 63)) {
    return Fail(error, start, absl::StrCat("'", digits, "' is not a 64-bit integer"));
  }
  token->kind = Token::Kind::kInt;
  return true;
}

bool Lexer::String(Token* token, bool raw, Error* error) {
  const size_t start = at_;
  const std::string triple(3, source_[at_]);
  const absl::string_view quote = absl::StartsWith(source_.substr(at_), triple)
                                      ? absl::string_view(triple)
                                      : absl::string_view(triple).substr(0, 1);
  at_ += quote.size();
  token->kind = Token::Kind::kString;
  while (!absl::StartsWith(source_.substr(at_), quote)) {
    if (at_ >= source_.size() || (quote.size() == 1 && source_[at_] == '\n')) {
      return Fail(error, start, "a string that does not end");
    }
    if (source_[at_] == '\\' && !raw) {
      if (!Escape(quote, &token->text, error)) return false;
    } else {
      token->text.push_back(source_[at_++]);
    }
  }
  at_ += quote.size();
  return true;
}

// At a backslash.
bool Lexer::Escape(absl::string_view quote, std::string* text, Error* error) {
  static constexpr absl::string_view kFrom = "abfnrtv\\?\"'`";
  static constexpr absl::string_view kTo = "\a\b\f\n\r\t\v\\?\"'`";
  if (at_ + 1 >= source_.size()) return Fail(error, at_, "a string that does not end");
  const char c = source_[at_ + 1];
  const size_t simple = kFrom.find(c);
  if (simple != absl::string_view::npos) {
    text->push_back(kTo[simple]);
    at_ += 2;
    return true;
  }
  if (c == 'x' || c == 'X') return CodePoint(2, text, error);
  if (c == 'u') return CodePoint(4, text, error);
  if (c == 'U') return CodePoint(8, text, error);
  if (c >= '0' && c <= '3' && at_ + 3 < source_.size()) {
    uint32_t point = 0;
    for (size_t i = 1; i <= 3; ++i) {
      const char digit = source_[at_ + i];
      if (digit < '0' || digit > '7') return Fail(error, at_, "an octal escape has three digits");
      point = point * 8 + static_cast<uint32_t>(digit - '0');
    }
    AppendUtf8(point, text);
    at_ += 4;
    return true;
  }
  return Fail(error, at_,
              absl::StrCat("unknown escape '\\", EscapeBytes(source_.substr(at_ + 1, 1)),
                           "' (in a regular expression write r", quote, "…", quote, ")"));
}

bool Lexer::CodePoint(int digits, std::string* text, Error* error) {
  const absl::string_view hex = source_.substr(at_ + 2, static_cast<size_t>(digits));
  uint32_t point = 0;
  for (const char c : hex) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return Fail(error, at_, "not a hexadecimal escape");
    }
  }
  if (hex.size() != static_cast<size_t>(digits) || !absl::SimpleHexAtoi(hex, &point) ||
      point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
    return Fail(error, at_, "not a Unicode code point");
  }
  AppendUtf8(point, text);
  at_ += 2 + static_cast<size_t>(digits);
  return true;
}

}  // namespace cairn::policy::cel
