#include "policy/cel_compiler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

constexpr size_t kMaxNodes = 16384;

}  // namespace

size_t Start(const Expr& expr) {
  const bool binary = expr.kind == Expr::Kind::kCall && expr.text[0] == '_';
  const bool chain = expr.kind == Expr::Kind::kSelect || expr.kind == Expr::Kind::kMethod || binary;
  // What the compiler itself put in has no parts.
  return chain && !expr.args.empty() ? std::min(expr.offset, Start(*expr.args[0])) : expr.offset;
}

bool IsList(Type type) {
  return type == Type::kStrings || type == Type::kInts || type == Type::kAncestors ||
         type == Type::kEmptyList;
}

// Type of a list's elements; kEmptyList for the empty list's.
Type ElementOf(Type list) {
  return list == Type::kStrings     ? Type::kString
         : list == Type::kInts      ? Type::kInt
         : list == Type::kAncestors ? Type::kAncestor
                                    : Type::kEmptyList;
}

Compiler::Index Compiler::Fail(size_t offset, std::string cause) {
  if (error_->cause.empty()) *error_ = {offset, std::move(cause)};
  return std::nullopt;
}

Compiler::Index Compiler::New(const Expr& at, Node node, const std::vector<uint32_t>& children) {
  if (program_->nodes_.size() >= kMaxNodes) {
    return Fail(at.offset, "too large once its lists are written out");
  }
  node.first = static_cast<uint32_t>(program_->children_.size());
  node.count = static_cast<uint32_t>(children.size());
  program_->children_.insert(program_->children_.end(), children.begin(), children.end());
  program_->nodes_.push_back(node);
  program_->offsets_.push_back(Start(at));
  return static_cast<uint32_t>(program_->nodes_.size() - 1);
}

Compiler::Index Compiler::Constant(const Expr& at, Type type, Value value) {
  Node node;
  node.type = type;
  node.constant = value;
  return New(at, node);
}

// A copy of `value` that lives as long as the program.
Value Compiler::Keep(const Value& value) {
  if (value.kind == Kind::kString) {
    return Value::String(program_->strings_.emplace_back(std::string(value.view())));
  }
  if (value.kind == Kind::kIp || value.kind == Kind::kCidr) {
    Value kept = value;
    kept.address = &program_->addresses_.emplace_back(*value.address);
    return kept;
  }
  if (value.kind != Kind::kList) return value;
  std::vector<Value> values;
  for (uint32_t i = 0; i < ListSize(value); ++i) values.push_back(Keep(ListAt(value, i)));
  const std::vector<Value>& kept = program_->lists_.emplace_back(std::move(values));
  return Value::List(kept.data(), static_cast<uint32_t>(kept.size()));
}

bool Compiler::Whole(const Expr& expr) {
  const Index root = Any(expr);
  if (!root) return false;
  if (TypeOf(*root) != Type::kBool) {
    return Fail(expr.offset, absl::StrCat("must be true or false, but is ",
                                          TypeName(TypeOf(*root)))) != std::nullopt;
  }
  program_->root_ = *root;
  return true;
}

Compiler::Index Compiler::Any(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kBool:
      return Constant(expr, Type::kBool, Value::Bool(expr.number != 0));
    case Expr::Kind::kInt:
      return Constant(expr, Type::kInt, Value::Int(expr.number));
    case Expr::Kind::kString:
      return Constant(expr, Type::kString, Keep(Value::String(expr.text)));
    case Expr::Kind::kName:
      return Name(expr);
    case Expr::Kind::kSelect:
      return Select(expr);
    case Expr::Kind::kList:
      return List(expr);
    default:
      return CallOf(expr);
  }
}

Compiler::Index Compiler::List(const Expr& expr) {
  std::vector<uint32_t> elements;
  std::vector<Value> values;
  for (const auto& argument : expr.args) {
    const Index element = Any(*argument);
    if (!element) return std::nullopt;
    elements.push_back(*element);
    if (At(*element).op == Op::kConstant) values.push_back(At(*element).constant);
    if (TypeOf(*element) != TypeOf(elements[0])) {
      return Fail(argument->offset, "a list's elements must have one type");
    }
  }
  Node node;
  node.op = Op::kList;
  node.type = Type::kEmptyList;
  if (!elements.empty()) {
    const Type type = TypeOf(elements[0]);
    if (type != Type::kString && type != Type::kInt) {
      return Fail(expr.offset, "a list holds strings or integers");
    }
    node.type = type == Type::kString ? Type::kStrings : Type::kInts;
  }
  if (values.size() != elements.size()) return New(expr, node, elements);
  return Constant(expr, node.type,
                  Keep(Value::List(values.data(), static_cast<uint32_t>(values.size()))));
}

Compiler::Index Compiler::Choice(const Expr& expr) {
  const Index condition = Any(*expr.args[0]);
  const Index yes = condition ? Any(*expr.args[1]) : std::nullopt;
  const Index no = yes ? Any(*expr.args[2]) : std::nullopt;
  if (!no) return std::nullopt;
  if (TypeOf(*condition) != Type::kBool || TypeOf(*yes) != TypeOf(*no)) {
    return Fail(expr.offset, "'c ? a : b' takes a bool and two values of one type");
  }
  Node node;
  node.op = Op::kChoice;
  node.type = TypeOf(*yes);
  return New(expr, node, {*condition, *yes, *no});
}

// A call of constants is a constant; one that fails is the author's mistake.
Compiler::Index Compiler::Fold(const Expr& at, Node node, const std::vector<uint32_t>& args) {
  std::vector<Value> values;
  for (const uint32_t arg : args) {
    if (At(arg).op != Op::kConstant) return New(at, node, args);
    values.push_back(At(arg).constant);
  }
  scratch_->Reset();
  const Value value =
      node.call(values.data(), static_cast<uint32_t>(values.size()), scratch_.get());
  if (value.is_error()) return Fail(at.offset, value.text);
  return Constant(at, node.type, Keep(value));
}

std::unique_ptr<const Program> Program::Compile(absl::string_view source, const Scope& scope,
                                                Error* error) {
  const std::unique_ptr<Expr> expr = Parse(source, error);
  if (expr == nullptr) return nullptr;
  auto program = std::make_unique<Program>();
  if (!Compiler(scope, program.get(), error).Whole(*expr)) return nullptr;
  return program;
}

}  // namespace cairn::policy::cel
