// Operators and functions: which one a call means, and whether it takes what it is given.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/suggest.h"
#include "policy/cel_compiler.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

constexpr int64_t kMaxRegexMemory = 512 << 10;
constexpr size_t kMaxRegex = 1024;

bool Comparable(Type a, Type b) {
  if (a == b) return a != Type::kMap;
  return (a == Type::kEmptyList && IsList(b)) || (b == Type::kEmptyList && IsList(a));
}

bool Accepts(Type wanted, Type given) {
  return wanted == given || (given == Type::kEmptyList && IsList(wanted));
}

// What to write instead of `constant`, where it has the digits of the other's type.
std::string QuotesHint(const Node& constant, const Node& other) {
  if (constant.op != Op::kConstant) return "";
  if (constant.type == Type::kInt && other.type == Type::kString) {
    return absl::StrCat(" (write \"", constant.constant.number, "\", with quotes)");
  }
  int64_t number;
  if (constant.type != Type::kString || other.type != Type::kInt ||
      !absl::SimpleAtoi(constant.constant.view(), &number)) {
    return "";
  }
  return absl::StrCat(" (write ", number, ", without quotes)");
}

std::string Written(const std::string& name) {
  std::string operation = name;
  operation.erase(std::remove(operation.begin(), operation.end(), '_'), operation.end());
  return operation;
}

}  // namespace

Compiler::Index Compiler::CallOf(const Expr& expr) {
  const bool call = expr.kind == Expr::Kind::kCall;
  if (call && expr.text == "_&&_") return Logic(expr, Op::kAnd);
  if (call && expr.text == "_||_") return Logic(expr, Op::kOr);
  if (call && expr.text == "_?_:_") return Choice(expr);
  if (call && expr.text == "has") return HasOf(expr);
  if (!call && (expr.text == "all" || expr.text == "exists" || expr.text == "exists_one")) {
    return Macro(expr);
  }
  if (call && (expr.text == "_==_" || expr.text == "_!=_")) return EqualOf(expr);
  if (call && expr.text == "_in_") return InOf(expr);
  std::vector<uint32_t> args;
  for (const auto& argument : expr.args) {
    const Index index = Any(*argument);
    if (!index) return std::nullopt;
    args.push_back(*index);
  }
  return Apply(expr, args);
}

Compiler::Index Compiler::Logic(const Expr& expr, Op op) {
  std::vector<uint32_t> args;
  for (const auto& argument : expr.args) {
    const Index index = Any(*argument);
    if (!index) return std::nullopt;
    if (TypeOf(*index) != Type::kBool) {
      return Fail(argument->offset, absl::StrCat("'", Written(expr.text), "' takes true or false, ",
                                                 "not ", TypeName(TypeOf(*index))));
    }
    args.push_back(*index);
  }
  Node node;
  node.op = op;
  return New(expr, node, args);
}

Compiler::Index Compiler::EqualOf(const Expr& expr) {
  const Index left = Any(*expr.args[0]);
  const Index right = left ? Any(*expr.args[1]) : std::nullopt;
  if (!right) return std::nullopt;
  if (!Comparable(TypeOf(*left), TypeOf(*right))) {
    return Fail(
        expr.offset,
        absl::StrCat("never equal: ", TypeName(TypeOf(*left)), " and ", TypeName(TypeOf(*right)),
                     QuotesHint(At(*left), At(*right)), QuotesHint(At(*right), At(*left))));
  }
  Node node;
  node.op = Op::kCall;
  node.call = expr.text == "_==_" ? EqualCall : NotEqualCall;
  return Fold(expr, node, {*left, *right});
}

Compiler::Index Compiler::InOf(const Expr& expr) {
  const Index element = Any(*expr.args[0]);
  const Index list = element ? Any(*expr.args[1]) : std::nullopt;
  if (!list) return std::nullopt;
  const Type type = TypeOf(*list);
  const bool fits = type == Type::kMap ? TypeOf(*element) == Type::kString
                                       : IsList(type) && (type == Type::kEmptyList ||
                                                          ElementOf(type) == TypeOf(*element));
  if (!fits) {
    return Fail(expr.offset,
                absl::StrCat("never in it: ", TypeName(TypeOf(*element)), " in ", TypeName(type)));
  }
  Node node;
  node.op = Op::kCall;
  node.call = In;
  return Fold(expr, node, {*element, *list});
}

Compiler::Index Compiler::Apply(const Expr& expr, const std::vector<uint32_t>& args) {
  const bool method = expr.kind == Expr::Kind::kMethod;
  for (const Function& function : Functions()) {
    if (function.name != expr.text || function.method != method ||
        function.takes.size() != args.size()) {
      continue;
    }
    bool fits = true;
    for (size_t i = 0; i < args.size(); ++i) fits &= Accepts(function.takes[i], TypeOf(args[i]));
    if (!fits) continue;
    if (function.name == "matches" && At(args[1]).op == Op::kConstant) return Matches(expr, args);
    Node node;
    node.op = Op::kCall;
    node.type = function.gives;
    node.call = function.call;
    return Fold(expr, node, args);
  }
  return NoSuchFunction(expr, args);
}

Compiler::Index Compiler::NoSuchFunction(const Expr& expr, const std::vector<uint32_t>& args) {
  const bool method = expr.kind == Expr::Kind::kMethod;
  std::vector<absl::string_view> known;
  bool exists = false;
  for (const Function& function : Functions()) {
    exists |= function.name == expr.text;
    if (function.method == method && function.name[0] != '_') known.push_back(function.name);
  }
  if (!exists) {
    return Fail(expr.offset,
                absl::StrCat("no function '", expr.text, "'", DidYouMean(expr.text, known)));
  }
  std::string types;
  for (const uint32_t arg : args) {
    absl::StrAppend(&types, types.empty() ? "" : ", ", TypeName(TypeOf(arg)));
  }
  const bool is_operator = expr.text.find('_') != std::string::npos;
  return Fail(expr.offset, absl::StrCat("'", is_operator ? Written(expr.text) : expr.text,
                                        "' does not take (", types, ")"));
}

// Bytes, not code points, are what a pattern sees: a name that is not UTF-8 must not slip past
// '.'. The memory bound refuses patterns that grow (x{1000}{1000}).
Compiler::Index Compiler::Matches(const Expr& expr, const std::vector<uint32_t>& args) {
  const absl::string_view pattern = At(args[1]).constant.view();
  if (pattern.size() > kMaxRegex) {
    return Fail(expr.offset, absl::StrCat("a pattern longer than ", kMaxRegex, " bytes"));
  }
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  options.set_max_mem(kMaxRegexMemory);
  auto regex = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) {
    return Fail(expr.offset, absl::StrCat("not a regular expression (RE2): ", regex->error()));
  }
  Node node;
  node.op = Op::kMatches;
  node.regex = regex.get();
  program_->regexes_.push_back(std::move(regex));
  return New(expr, node, {args[0]});
}

}  // namespace cairn::policy::cel
