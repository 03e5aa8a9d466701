// Evaluation: a walk over the compiled nodes. Nothing is allocated.
#include "policy/cel.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

constexpr uint32_t kMaxArguments = 4;

}  // namespace

Value Program::Evaluate(const Event& event, Scratch* scratch) const {
  scratch->Reset();
  Frame frame{&event, scratch, {}};
  return Run(root_, &frame);
}

Value Program::Run(uint32_t index, Frame* frame) const {
  const Node& node = nodes_[index];
  switch (node.op) {
    case Op::kConstant:
      return node.constant;
    case Op::kField:
      return node.field->get(*frame->event, *node.field, frame->scratch);
    case Op::kHasField:
      return Value::Bool(Has(*frame->event, *node.field, frame->scratch));
    case Op::kVariable:
      return frame->slots[node.slot];
    case Op::kAnd:
    case Op::kOr:
      return RunChain(node, frame);
    case Op::kChoice: {
      const Value condition = Run(children_[node.first], frame);
      if (condition.is_error()) return condition;
      return Run(children_[node.first + (condition.is_true() ? 1 : 2)], frame);
    }
    case Op::kAll:
    case Op::kExists:
    case Op::kExistsOne:
      return RunOver(node, frame);
    default:
      return RunCall(node, frame);
  }
}

// langdef.md, "Logical operators": what decides wins over errors, whatever the order.
Value Program::RunChain(const Node& node, Frame* frame) const {
  const bool is_or = node.op == Op::kOr;
  Value result = Value::Bool(!is_or);
  for (uint32_t i = 0; i < node.count; ++i) {
    const Value value = Run(children_[node.first + i], frame);
    if (is_or ? value.is_true() : value.is_false()) return value;
    if (value.is_error() && !result.is_error()) result = value;
  }
  return result;
}

// langdef.md, "Macros": all and exists are && and || over the elements; exists_one has no
// short circuit for errors.
Value Program::RunOver(const Node& node, Frame* frame) const {
  const Value list = Run(children_[node.first], frame);
  if (list.is_error()) return list;
  const uint32_t size = ListSize(list);
  Value result = Value::Bool(node.op == Op::kAll);
  uint32_t found = 0;
  for (uint32_t i = 0; i < size; ++i) {
    frame->slots[node.slot] = ListAt(list, i);
    const Value value = Run(children_[node.first + 1], frame);
    if (node.op == Op::kExistsOne) {
      if (value.is_error()) return value;
      found += value.is_true();
    } else {
      if (node.op == Op::kExists ? value.is_true() : value.is_false()) return value;
      if (value.is_error() && !result.is_error()) result = value;
    }
  }
  return node.op == Op::kExistsOne ? Value::Bool(found == 1) : result;
}

Value Program::RunCall(const Node& node, Frame* frame) const {
  if (node.op == Op::kList) {
    Value* values = frame->scratch->Values(node.count);
    if (values == nullptr) return Value::Error("lists too long");
    for (uint32_t i = 0; i < node.count; ++i) {
      values[i] = Run(children_[node.first + i], frame);
      if (values[i].is_error()) return values[i];
    }
    return Value::List(values, node.count);
  }
  Value args[kMaxArguments];
  for (uint32_t i = 0; i < node.count; ++i) {
    args[i] = Run(children_[node.first + i], frame);
    if (args[i].is_error()) return args[i];
  }
  switch (node.op) {
    case Op::kAncestorField:
      return node.ancestor->get(*args[0].ancestor);
    case Op::kMatches:
      return Value::Bool(
          RE2::PartialMatch(re2::StringPiece(args[0].text, args[0].size), *node.regex));
    default:
      return node.call(args, node.count, frame->scratch);
  }
}

uint32_t Program::part_count() const {
  return nodes_[root_].op == Op::kAnd ? nodes_[root_].count : 1;
}

Value Program::EvaluatePart(uint32_t part, const Event& event, Scratch* scratch) const {
  scratch->Reset();
  Frame frame{&event, scratch, {}};
  const Node& root = nodes_[root_];
  return Run(root.op == Op::kAnd ? children_[root.first + part] : root_, &frame);
}

size_t Program::part_offset(uint32_t part) const {
  const Node& root = nodes_[root_];
  return offsets_[root.op == Op::kAnd ? children_[root.first + part] : root_];
}

}  // namespace cairn::policy::cel
