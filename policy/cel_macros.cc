// all, exists, exists_one: a condition over the elements of a list.
#include "absl/strings/str_cat.h"
#include "policy/cel_compiler.h"

namespace cairn::policy::cel {
namespace {

constexpr uint32_t kUnrollUpTo = 32;

}  // namespace

Compiler::Index Compiler::Macro(const Expr& expr) {
  if (expr.args.size() != 3 || expr.args[1]->kind != Expr::Kind::kName) {
    return Fail(expr.offset, absl::StrCat("write list.", expr.text, "(x, condition on x)"));
  }
  const Index list = Any(*expr.args[0]);
  if (!list) return std::nullopt;
  if (!IsList(TypeOf(*list))) {
    return Fail(expr.offset,
                absl::StrCat("'", expr.text, "' takes a list, not ", TypeName(TypeOf(*list))));
  }
  Node node;
  node.op = expr.text == "all" ? Op::kAll : expr.text == "exists" ? Op::kExists : Op::kExistsOne;
  const Node range = At(*list);
  Type element = ElementOf(range.type);
  if (element == Type::kEmptyList) element = Type::kString;
  if (range.op == Op::kConstant && node.op != Op::kExistsOne && range.constant.size > 0 &&
      range.constant.size <= kUnrollUpTo) {
    return Unrolled(expr, range.constant, element, node.op == Op::kAll ? Op::kAnd : Op::kOr);
  }
  node.slot = static_cast<uint16_t>(variables_.size());
  if (node.slot >= Program::kMaxSlots) return Fail(expr.offset, "macros nested too deep");
  variables_.push_back({expr.args[1]->text, element, node.slot, nullptr});
  const Index body = Any(*expr.args[2]);
  variables_.pop_back();
  if (!body) return std::nullopt;
  if (TypeOf(*body) != Type::kBool) {
    return Fail(expr.args[2]->offset, "the condition of a macro must be true or false");
  }
  return New(expr, node, {*list, *body});
}

// exists over ["a", "b"] is the condition for "a" or for "b", so that what hangs on the element
// (a CIDR block) is computed once, here.
Compiler::Index Compiler::Unrolled(const Expr& expr, const Value& list, Type element, Op op) {
  Node node;
  node.op = op;
  std::vector<uint32_t> parts;
  if (variables_.size() >= Program::kMaxSlots) return Fail(expr.offset, "macros nested too deep");
  for (uint32_t i = 0; i < list.size; ++i) {
    variables_.push_back({expr.args[1]->text, element, 0, &list.values[i]});
    const Index body = Any(*expr.args[2]);
    variables_.pop_back();
    if (!body) return std::nullopt;
    if (TypeOf(*body) != Type::kBool) {
      return Fail(expr.args[2]->offset, "the condition of a macro must be true or false");
    }
    parts.push_back(*body);
  }
  return New(expr, node, parts);
}

}  // namespace cairn::policy::cel
