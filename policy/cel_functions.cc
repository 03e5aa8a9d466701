#include "policy/cel_functions.h"

#include <algorithm>
#include <cstring>

namespace cairn::policy::cel {
namespace {

#define CALL(expression)                                             \
  [](const Value* args, uint32_t count, Scratch* scratch) -> Value { \
    (void)args, (void)count, (void)scratch;                          \
    return expression;                                               \
  }

Value Checked(bool overflow, int64_t result) {
  return overflow ? Value::Error("integer overflow") : Value::Int(result);
}

Value Add(const Value* args, uint32_t, Scratch*) {
  int64_t result;
  const bool overflow = __builtin_add_overflow(args[0].number, args[1].number, &result);
  return Checked(overflow, result);
}
Value Subtract(const Value* args, uint32_t, Scratch*) {
  int64_t result;
  const bool overflow = __builtin_sub_overflow(args[0].number, args[1].number, &result);
  return Checked(overflow, result);
}
Value Multiply(const Value* args, uint32_t, Scratch*) {
  int64_t result;
  const bool overflow = __builtin_mul_overflow(args[0].number, args[1].number, &result);
  return Checked(overflow, result);
}
Value Divide(const Value* args, uint32_t, Scratch*) {
  if (args[1].number == 0) return Value::Error("division by zero");
  if (args[1].number == -1) return Checked(args[0].number == INT64_MIN, -args[0].number);
  return Value::Int(args[0].number / args[1].number);
}
Value Modulo(const Value* args, uint32_t, Scratch*) {
  if (args[1].number == 0) return Value::Error("modulus by zero");
  if (args[1].number == -1) return Checked(args[0].number == INT64_MIN, 0);
  return Value::Int(args[0].number % args[1].number);
}
Value Negate(const Value* args, uint32_t, Scratch*) {
  if (args[0].number == INT64_MIN) return Value::Error("integer overflow");
  return Value::Int(-args[0].number);
}

Value At(const Value* args, uint32_t, Scratch*) {
  const int64_t index = args[1].number;
  if (index < 0 || index >= ListSize(args[0])) return Value::Error("index out of range");
  return ListAt(args[0], static_cast<uint32_t>(index));
}

Value AtKey(const Value* args, uint32_t, Scratch*) {
  const auto found = args[0].map->find(std::string(args[1].view()));
  if (found == args[0].map->end()) return Value::Error("no such key");
  return Value::String(found->second);
}

Value Concatenate(const Value* args, uint32_t, Scratch* scratch) {
  const uint32_t a = ListSize(args[0]), b = ListSize(args[1]);
  Value* out = scratch->Values(a + b);
  if (out == nullptr) return Value::Error("lists too long");
  for (uint32_t i = 0; i < a; ++i) out[i] = ListAt(args[0], i);
  for (uint32_t i = 0; i < b; ++i) out[a + i] = ListAt(args[1], i);
  return Value::List(out, a + b);
}

std::vector<Function> Operators() {
  std::vector<Function> all = {
      {"_+_", false, {Type::kInt, Type::kInt}, Type::kInt, Add},
      {"_-_", false, {Type::kInt, Type::kInt}, Type::kInt, Subtract},
      {"_*_", false, {Type::kInt, Type::kInt}, Type::kInt, Multiply},
      {"_/_", false, {Type::kInt, Type::kInt}, Type::kInt, Divide},
      {"_%_", false, {Type::kInt, Type::kInt}, Type::kInt, Modulo},
      {"-_", false, {Type::kInt}, Type::kInt, Negate},
      {"!_", false, {Type::kBool}, Type::kBool, CALL(Value::Bool(args[0].number == 0))},
      {"_+_", false, {Type::kStrings, Type::kStrings}, Type::kStrings, Concatenate},
      {"_+_", false, {Type::kInts, Type::kInts}, Type::kInts, Concatenate},
      {"_[_]", false, {Type::kStrings, Type::kInt}, Type::kString, At},
      {"_[_]", false, {Type::kInts, Type::kInt}, Type::kInt, At},
      {"_[_]", false, {Type::kAncestors, Type::kInt}, Type::kAncestor, At},
      {"_[_]", false, {Type::kMap, Type::kString}, Type::kString, AtKey},
  };
  for (const Type type :
       {Type::kInt, Type::kString, Type::kBool, Type::kTimestamp, Type::kDuration}) {
    const std::vector<Type> two = {type, type};
    all.push_back(
        {"_<_", false, two, Type::kBool, CALL(Value::Bool(Compare(args[0], args[1]) < 0))});
    all.push_back(
        {"_<=_", false, two, Type::kBool, CALL(Value::Bool(Compare(args[0], args[1]) <= 0))});
    all.push_back(
        {"_>_", false, two, Type::kBool, CALL(Value::Bool(Compare(args[0], args[1]) > 0))});
    all.push_back(
        {"_>=_", false, two, Type::kBool, CALL(Value::Bool(Compare(args[0], args[1]) >= 0))});
  }
  for (const Type type : {Type::kStrings, Type::kInts, Type::kAncestors}) {
    for (const bool method : {false, true}) {
      all.push_back({"size", method, {type}, Type::kInt, CALL(Value::Int(ListSize(args[0])))});
    }
  }
  for (const bool method : {false, true}) {
    all.push_back({"size",
                   method,
                   {Type::kMap},
                   Type::kInt,
                   CALL(Value::Int(static_cast<int64_t>(args[0].map->size())))});
  }
  return all;
}

}  // namespace

absl::Span<const Function> Functions() {
  static const auto* all = [] {
    auto* table = new std::vector<Function>;
    for (const auto& part : {Operators(), TextFunctions(), NetFunctions(), TimeFunctions()}) {
      table->insert(table->end(), part.begin(), part.end());
    }
    return table;
  }();
  return *all;
}

bool Equal(const Value& a, const Value& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kString:
      return a.size == b.size && std::memcmp(a.text, b.text, a.size) == 0;
    case Kind::kTimestamp:
      return a.number == b.number && a.size == b.size;
    case Kind::kIp:
    case Kind::kCidr:
      return a.size == b.size && a.address->length == b.address->length &&
             std::memcmp(a.address->bytes, b.address->bytes, a.address->length) == 0;
    case Kind::kList: {
      const uint32_t size = ListSize(a);
      if (size != ListSize(b)) return false;
      for (uint32_t i = 0; i < size; ++i) {
        if (!Equal(ListAt(a, i), ListAt(b, i))) return false;
      }
      return true;
    }
    case Kind::kAncestor:
      return a.ancestor->pid() == b.ancestor->pid() &&
             a.ancestor->start_ns() == b.ancestor->start_ns();
    case Kind::kMap:
    case Kind::kError:
      return false;
    default:
      return a.number == b.number;
  }
}

int Compare(const Value& a, const Value& b) {
  if (a.kind == Kind::kString) {
    const int order = std::memcmp(a.text, b.text, std::min(a.size, b.size));
    return order != 0 ? order : a.size < b.size ? -1 : a.size > b.size;
  }
  if (a.number != b.number) return a.number < b.number ? -1 : 1;
  if (a.kind != Kind::kTimestamp || a.size == b.size) return 0;
  return a.size < b.size ? -1 : 1;
}

Value In(const Value* args, uint32_t, Scratch*) {
  if (args[1].kind == Kind::kMap) {
    return Value::Bool(args[1].map->find(std::string(args[0].view())) != args[1].map->end());
  }
  const uint32_t size = ListSize(args[1]);
  for (uint32_t i = 0; i < size; ++i) {
    if (Equal(args[0], ListAt(args[1], i))) return Value::Bool(true);
  }
  return Value::Bool(false);
}

Value EqualCall(const Value* args, uint32_t, Scratch*) {
  return Value::Bool(Equal(args[0], args[1]));
}
Value NotEqualCall(const Value* args, uint32_t, Scratch*) {
  return Value::Bool(!Equal(args[0], args[1]));
}

}  // namespace cairn::policy::cel
