#include "policy/cel_compiler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/suggest.h"
#include "policy/cel_functions.h"
#include "proto/names.h"

namespace cairn::policy::cel {
namespace {

constexpr size_t kMaxNodes = 16384;
constexpr uint32_t kUnrollUpTo = 32;
constexpr int64_t kMaxRegexMemory = 512 << 10;
constexpr size_t kMaxRegex = 1024;

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

bool Comparable(Type a, Type b) {
  if (a == b) return a != Type::kMap;
  return (a == Type::kEmptyList && IsList(b)) || (b == Type::kEmptyList && IsList(a));
}

bool Accepts(Type wanted, Type given) {
  return wanted == given || (given == Type::kEmptyList && IsList(wanted));
}

// Where a chain of selections begins: "process.exe" at the p.
size_t Start(const Expr& expr) {
  return expr.kind == Expr::Kind::kSelect ? Start(*expr.args[0]) : expr.offset;
}

std::string Written(const std::string& name) {
  std::string operation = name;
  operation.erase(std::remove(operation.begin(), operation.end(), '_'), operation.end());
  return operation;
}

}  // namespace

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
  program_->offsets_.push_back(at.offset);
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

Compiler::Index Compiler::EqualOf(const Expr& expr) {
  const Index left = Any(*expr.args[0]);
  const Index right = left ? Any(*expr.args[1]) : std::nullopt;
  if (!right) return std::nullopt;
  if (!Comparable(TypeOf(*left), TypeOf(*right))) {
    return Fail(expr.offset, absl::StrCat("a ", TypeName(TypeOf(*left)), " is never equal to a ",
                                          TypeName(TypeOf(*right))));
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
                absl::StrCat("a ", TypeName(TypeOf(*element)), " is never in a ", TypeName(type)));
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

std::unique_ptr<const Program> Program::Compile(absl::string_view source, const Scope& scope,
                                                Error* error) {
  const std::unique_ptr<Expr> expr = Parse(source, error);
  if (expr == nullptr) return nullptr;
  auto program = std::make_unique<Program>();
  if (!Compiler(scope, program.get(), error).Whole(*expr)) return nullptr;
  return program;
}

}  // namespace cairn::policy::cel
