// CEL text as tokens.
#ifndef CAIRN_POLICY_CEL_LEXER_H_
#define CAIRN_POLICY_CEL_LEXER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "policy/cel_parser.h"

namespace cairn::policy::cel {

struct Token {
  enum class Kind { kEnd, kName, kInt, kString, kSymbol };
  Kind kind = Kind::kEnd;
  size_t offset = 0;
  absl::string_view symbol;  // kSymbol, kName: part of the source
  std::string text;          // kString: decoded
  uint64_t number = 0;       // kInt: at most 2^63
};

class Lexer {
 public:
  explicit Lexer(absl::string_view source) : source_(source) {}
  // False: `error` says what is wrong.
  bool Next(Token* token, Error* error);

 private:
  bool Number(Token* token, Error* error);
  bool String(Token* token, bool raw, Error* error);
  bool Escape(absl::string_view quote, std::string* text, Error* error);
  bool CodePoint(int digits, std::string* text, Error* error);
  void SkipBlanks();

  absl::string_view source_;
  size_t at_ = 0;
};

}  // namespace cairn::policy::cel

#endif  // CAIRN_POLICY_CEL_LEXER_H_
