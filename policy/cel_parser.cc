#include "policy/cel_parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/cel_lexer.h"

namespace cairn::policy::cel {
namespace {

using ExprPtr = std::unique_ptr<Expr>;

struct Level {  // of left-associative operators, loosest first; && and || are apart
  const char* symbols[7];
};
constexpr Level kRelations = {{"==", "!=", "<=", ">=", "<", ">", nullptr}};
constexpr Level kSums = {{"+", "-", nullptr}};
constexpr Level kProducts = {{"*", "/", "%", nullptr}};

// Recursive descent. Each method returns null after an error, the first of which stands.
class Parser {
 public:
  Parser(absl::string_view source, Error* error) : lexer_(source), error_(error) {}

  ExprPtr Whole() {
    if (!Advance()) return nullptr;
    ExprPtr expr = Ternary();
    if (expr != nullptr && token_.kind != Token::Kind::kEnd) return Unexpected();
    return expr;
  }

 private:
  class Deeper {
   public:
    explicit Deeper(int* depth) : depth_(depth) { ++*depth_; }
    ~Deeper() { --*depth_; }

   private:
    int* const depth_;
  };

  ExprPtr Fail(size_t offset, std::string cause) {
    if (error_->cause.empty()) *error_ = {offset, std::move(cause)};
    return nullptr;
  }

  ExprPtr Unexpected() {
    if (!error_->cause.empty()) return nullptr;
    if (token_.kind == Token::Kind::kEnd) return Fail(token_.offset, "ends too early");
    const std::string what = token_.kind == Token::Kind::kString ? "a string"
                             : token_.kind == Token::Kind::kInt
                                 ? absl::StrCat(token_.number)
                                 : absl::StrCat("'", token_.symbol, "'");
    return Fail(token_.offset, absl::StrCat("unexpected ", what));
  }

  bool Advance() { return lexer_.Next(&token_, error_); }
  bool At(absl::string_view symbol) const {
    return token_.kind == Token::Kind::kSymbol && token_.symbol == symbol;
  }
  // Takes `symbol`, or fails.
  bool Take(absl::string_view symbol) {
    if (!At(symbol)) return Unexpected() != nullptr;
    return Advance();
  }

  ExprPtr New(Expr::Kind kind, size_t offset, std::string text = "") {
    if (++count_ > kMaxExpressions) {
      return Fail(offset, absl::StrCat("more than ", kMaxExpressions, " parts"));
    }
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->offset = offset;
    expr->text = std::move(text);
    return expr;
  }

  // A node over `args`, all of which must be there. Bounds the height of the tree.
  template <typename... Args>
  ExprPtr Node(Expr::Kind kind, size_t offset, std::string text, Args... args) {
    if (((args == nullptr) || ...)) return nullptr;
    ExprPtr expr = New(kind, offset, std::move(text));
    if (expr == nullptr) return nullptr;
    const bool fits = (Push(std::move(args), expr.get()) && ...);
    return fits ? std::move(expr) : nullptr;
  }

  bool Push(ExprPtr argument, Expr* into) {
    if (argument == nullptr) return false;
    into->height = std::max(into->height, argument->height + 1);
    if (into->height > kMaxHeight) return Fail(into->offset, TooDeep()) != nullptr;
    into->args.push_back(std::move(argument));
    return true;
  }

  ExprPtr Ternary() {
    Deeper deeper(&depth_);
    if (depth_ > kMaxDepth) return Fail(token_.offset, TooDeep());
    ExprPtr condition = Chain("||");
    if (condition == nullptr || !At("?")) return condition;
    const size_t offset = token_.offset;
    if (!Advance()) return nullptr;
    ExprPtr yes = Chain("||");
    if (yes == nullptr || !Take(":")) return nullptr;
    ExprPtr no = Ternary();
    return Node(Expr::Kind::kCall, offset, "_?_:_", std::move(condition), std::move(yes),
                std::move(no));
  }

  static std::string TooDeep() { return absl::StrCat("nested deeper than ", kMaxDepth); }

  // a && b && c, or with "||" a chain of those.
  ExprPtr Chain(absl::string_view symbol) {
    const bool is_or = symbol == "||";
    ExprPtr first = is_or ? Chain("&&") : Relation();
    if (first == nullptr || !At(symbol)) return first;
    ExprPtr chain =
        Node(Expr::Kind::kCall, token_.offset, is_or ? "_||_" : "_&&_", std::move(first));
    while (chain != nullptr && At(symbol)) {
      if (!Advance()) return nullptr;
      ExprPtr next = is_or ? Chain("&&") : Relation();
      if (!Push(std::move(next), chain.get())) return nullptr;
    }
    return chain;
  }

  bool AtRelation(std::string* name) const {
    if (token_.kind == Token::Kind::kName && token_.symbol == "in") {
      *name = "_in_";
      return true;
    }
    return AtOneOf(kRelations, name);
  }
  bool AtOneOf(const Level& level, std::string* name) const {
    for (const char* const* symbol = level.symbols; *symbol != nullptr; ++symbol) {
      if (!At(*symbol)) continue;
      *name = absl::StrCat("_", *symbol, "_");
      return true;
    }
    return false;
  }

  ExprPtr Relation() {
    ExprPtr left = Sum();
    std::string name;
    for (int height = 0; left != nullptr && AtRelation(&name); ++height) {
      if (height > kMaxDepth) return Fail(token_.offset, TooDeep());
      const size_t offset = token_.offset;
      if (!Advance()) return nullptr;
      left = Node(Expr::Kind::kCall, offset, name, std::move(left), Sum());
    }
    return left;
  }

  ExprPtr Sum() {
    ExprPtr left = Product();
    std::string name;
    for (int height = 0; left != nullptr && AtOneOf(kSums, &name); ++height) {
      if (height > kMaxDepth) return Fail(token_.offset, TooDeep());
      const size_t offset = token_.offset;
      if (!Advance()) return nullptr;
      left = Node(Expr::Kind::kCall, offset, name, std::move(left), Product());
    }
    return left;
  }

  ExprPtr Product() {
    ExprPtr left = Unary();
    std::string name;
    for (int height = 0; left != nullptr && AtOneOf(kProducts, &name); ++height) {
      if (height > kMaxDepth) return Fail(token_.offset, TooDeep());
      const size_t offset = token_.offset;
      if (!Advance()) return nullptr;
      left = Node(Expr::Kind::kCall, offset, name, std::move(left), Unary());
    }
    return left;
  }

  ExprPtr Unary() {
    if (!At("!") && !At("-")) return Member();
    Deeper deeper(&depth_);
    if (depth_ > kMaxDepth) return Fail(token_.offset, TooDeep());
    const size_t offset = token_.offset;
    const bool negate = At("-");
    if (!Advance()) return nullptr;
    if (negate && token_.kind == Token::Kind::kInt) {  // so that -2^63 can be written
      const auto number = static_cast<int64_t>(-token_.number);
      negative_ = true;
      ExprPtr operand = Member();
      Expr* literal = operand.get();
      while (literal != nullptr && !literal->args.empty()) literal = literal->args[0].get();
      if (literal != nullptr && literal->kind == Expr::Kind::kInt) literal->number = number;
      return operand;
    }
    return Node(Expr::Kind::kCall, offset, negate ? "-_" : "!_", Unary());
  }

  ExprPtr Member() {
    ExprPtr expr = Primary();
    for (int height = 0; expr != nullptr; ++height) {
      if (height > kMaxDepth) return Fail(token_.offset, TooDeep());
      const size_t offset = token_.offset;
      if (At(".")) {
        if (!Advance()) return nullptr;
        if (token_.kind != Token::Kind::kName) return Unexpected();
        const size_t name_offset = token_.offset;
        std::string name(token_.symbol);
        if (!Advance()) return nullptr;
        const bool call = At("(");
        expr = Node(call ? Expr::Kind::kMethod : Expr::Kind::kSelect, name_offset, std::move(name),
                    std::move(expr));
        if (call && (expr == nullptr || !Arguments("(", ")", expr.get()))) return nullptr;
      } else if (At("[")) {
        if (!Advance()) return nullptr;
        expr = Node(Expr::Kind::kCall, offset, "_[_]", std::move(expr), Ternary());
        if (expr == nullptr || !Take("]")) return nullptr;
      } else {
        return expr;
      }
    }
    return nullptr;
  }

  // "(a, b)"; a trailing comma is accepted in lists only.
  bool Arguments(absl::string_view open, absl::string_view close, Expr* into) {
    if (!Take(open)) return false;
    while (!At(close)) {
      ExprPtr argument = Ternary();
      if (!Push(std::move(argument), into)) return false;
      if (At(close)) break;
      if (!Take(",")) return false;
      if (At(close) && close == ")") return Unexpected() != nullptr;
    }
    return Take(close);
  }

  ExprPtr Primary() {
    const size_t offset = token_.offset;
    const bool negative = std::exchange(negative_, false);
    if (At("(")) {
      if (!Advance()) return nullptr;
      ExprPtr inner = Ternary();
      if (inner == nullptr || !Take(")")) return nullptr;
      return inner;
    }
    if (At("[")) {
      ExprPtr list = New(Expr::Kind::kList, offset);
      if (list == nullptr || !Arguments("[", "]", list.get())) return nullptr;
      return list;
    }
    if (token_.kind == Token::Kind::kInt) {
      if (token_.number == uint64_t{1} << 63 && !negative) {
        return Fail(offset, "9223372036854775808 is not a 64-bit integer");
      }
      ExprPtr expr = New(Expr::Kind::kInt, offset);
      if (expr != nullptr) expr->number = static_cast<int64_t>(token_.number);
      return Advance() ? std::move(expr) : nullptr;
    }
    if (token_.kind == Token::Kind::kString) {
      ExprPtr expr = New(Expr::Kind::kString, offset, token_.text);
      return Advance() ? std::move(expr) : nullptr;
    }
    if (token_.kind == Token::Kind::kName) return Name();
    return Unexpected();
  }

  ExprPtr Name() {
    const size_t offset = token_.offset;
    std::string name(token_.symbol);
    if (name == "in" || name == "null") return Unexpected();
    if (!Advance()) return nullptr;
    if (name == "true" || name == "false") {
      ExprPtr expr = New(Expr::Kind::kBool, offset);
      if (expr != nullptr) expr->number = name == "true";
      return expr;
    }
    if (!At("(")) return New(Expr::Kind::kName, offset, std::move(name));
    ExprPtr call = New(Expr::Kind::kCall, offset, std::move(name));
    if (call == nullptr || !Arguments("(", ")", call.get())) return nullptr;
    return call;
  }

  Lexer lexer_;
  Error* const error_;
  Token token_;
  int depth_ = 0;
  int count_ = 0;
  bool negative_ = false;  // a '-' stood before the literal at hand
};

}  // namespace

std::unique_ptr<Expr> Parse(absl::string_view source, Error* error) {
  *error = Error();
  if (source.size() > kMaxSource) {
    *error = {0, absl::StrCat("longer than ", kMaxSource, " bytes")};
    return nullptr;
  }
  std::unique_ptr<Expr> expr = Parser(source, error).Whole();
  if (expr == nullptr && error->cause.empty()) *error = {0, "not an expression"};
  return expr;
}

}  // namespace cairn::policy::cel
