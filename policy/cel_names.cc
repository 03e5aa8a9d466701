// What names stand for: variables of macros, fields of the event, lists, keys of maps.
#include "absl/strings/str_cat.h"
#include "base/suggest.h"
#include "policy/cel_compiler.h"
#include "policy/cel_functions.h"
#include "proto/names.h"

namespace cairn::policy::cel {
const Compiler::Variable* Compiler::FindVariable(absl::string_view name) const {
  for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
    if (it->name == name) return &*it;
  }
  return nullptr;
}

std::string Compiler::Dotted(const Expr& expr) const {
  if (expr.kind == Expr::Kind::kName) return FindVariable(expr.text) == nullptr ? expr.text : "";
  if (expr.kind != Expr::Kind::kSelect) return "";
  const std::string before = Dotted(*expr.args[0]);
  return before.empty() ? "" : absl::StrCat(before, ".", expr.text);
}

Compiler::Index Compiler::Name(const Expr& expr) {
  if (const Variable* variable = FindVariable(expr.text)) {
    if (variable->constant != nullptr) return Constant(expr, variable->type, *variable->constant);
    Node node;
    node.op = Op::kVariable;
    node.type = variable->type;
    node.slot = variable->slot;
    return New(expr, node);
  }
  if (expr.text == "unset") return Constant(expr, Type::kInt, Value::Int(kUnset));
  if (const Field* field = FindField(expr.text)) return FieldOf(expr, *field);
  return UnknownName(expr, expr.text);
}

Compiler::Index Compiler::FieldOf(const Expr& expr, const Field& field) {
  if (field.events != nullptr) {
    const EventSet missing = scope_.named & ~*field.events;
    for (size_t i = 0; i < missing.size(); ++i) {
      if (!missing.test(i)) continue;
      return Fail(Start(expr), absl::StrCat(EventName(static_cast<EventType>(i)), " has no field '",
                                            field.name, "'"));
    }
    if ((scope_.events & *field.events).none()) {
      return Fail(Start(expr),
                  absl::StrCat("none of the rule's events has a field '", field.name, "'"));
    }
  }
  Node node;
  node.op = Op::kField;
  node.type = field.type;
  node.field = &field;
  return New(expr, node);
}

Compiler::Index Compiler::UnknownName(const Expr& expr, const std::string& name) {
  if (IsFieldPrefix(name)) {
    std::string inside;
    for (const Field& field : Fields()) {
      if (field.name.substr(0, name.size() + 1) != name + ".") continue;
      absl::StrAppend(&inside, inside.empty() ? "" : ", ", field.name.substr(name.size() + 1));
    }
    return Fail(Start(expr), absl::StrCat("'", name, "' is not a value; it has ", inside));
  }
  std::vector<absl::string_view> known = {"unset"};
  for (const Field& field : Fields()) known.push_back(field.name);
  return Fail(Start(expr), absl::StrCat("unknown field '", name, "'", DidYouMean(name, known)));
}

Compiler::Index Compiler::ListNamed(const Expr& expr, const std::string& name) {
  std::vector<absl::string_view> known;
  if (scope_.lists != nullptr) {
    const auto found = scope_.lists->find(name);
    if (found != scope_.lists->end()) {
      std::vector<Value> values;
      for (const std::string& text : found->second) values.push_back(Value::String(text));
      const Value list = Value::List(values.data(), static_cast<uint32_t>(values.size()));
      return Constant(expr, Type::kStrings, Keep(list));
    }
    for (const auto& [other, unused] : *scope_.lists) known.push_back(other);
  }
  return Fail(expr.offset, absl::StrCat("no list '", name, "'", DidYouMean(name, known)));
}

Compiler::Index Compiler::Select(const Expr& expr) {
  const std::string dotted = Dotted(expr);
  if (dotted.substr(0, 6) == "lists." && dotted.find('.', 6) == std::string::npos) {
    return ListNamed(expr, dotted.substr(6));
  }
  if (const Field* field = FindField(dotted)) return FieldOf(expr, *field);
  const std::string before = Dotted(*expr.args[0]);
  if (!before.empty() && FindField(before) == nullptr) return UnknownName(expr, dotted);
  const Index object = Any(*expr.args[0]);
  if (!object) return std::nullopt;
  if (TypeOf(*object) == Type::kMap) {
    const Index key = Constant(expr, Type::kString, Keep(Value::String(expr.text)));
    if (!key) return std::nullopt;
    Expr index;
    index.kind = Expr::Kind::kCall;
    index.offset = expr.offset;
    index.text = "_[_]";
    return Apply(index, {*object, *key});
  }
  if (TypeOf(*object) != Type::kAncestor) {
    return Fail(expr.offset,
                absl::StrCat("a ", TypeName(TypeOf(*object)), " has no '", expr.text, "'"));
  }
  Node node;
  node.op = Op::kAncestorField;
  node.ancestor = FindAncestorField(expr.text);
  if (node.ancestor == nullptr) {
    std::vector<absl::string_view> known;
    for (const AncestorField& field : AncestorFields()) known.push_back(field.name);
    return Fail(expr.offset,
                absl::StrCat("an ancestor has no '", expr.text, "'", DidYouMean(expr.text, known)));
  }
  node.type = node.ancestor->type;
  return New(expr, node, {*object});
}

Compiler::Index Compiler::HasOf(const Expr& expr) {
  if (expr.args.size() != 1 || expr.args[0]->kind != Expr::Kind::kSelect) {
    return Fail(expr.offset, "has() takes a field, as in has(process.unit)");
  }
  const Index value = Select(*expr.args[0]);
  if (!value) return std::nullopt;
  Node node = At(*value);
  if (node.op == Op::kField) {
    node.op = Op::kHasField;
    node.type = Type::kBool;
    return New(expr, node);
  }
  if (node.op == Op::kCall && TypeOf(program_->children_[node.first]) == Type::kMap) {
    const uint32_t map = program_->children_[node.first];
    const uint32_t key = program_->children_[node.first + 1];
    Node in;
    in.op = Op::kCall;
    in.call = In;
    return New(expr, in, {key, map});
  }
  return Fail(expr.offset, "has() takes a field of the event or of a map");
}

}  // namespace cairn::policy::cel
