// What a condition needs at least: what the index of rules is made from.
#include <algorithm>
#include <deque>

#include "policy/cel.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

// The text every match of `pattern` must begin with; "" when none is sure.
absl::string_view LiteralPrefix(const std::string& pattern) {
  if (pattern.empty() || pattern[0] != '^' || pattern.find('|') != std::string::npos) return "";
  const absl::string_view rest = absl::string_view(pattern).substr(1);
  size_t end = rest.find_first_of("\\.+*?()[]{}^$");
  if (end == absl::string_view::npos) return rest;
  // A quantifier makes the character before it uncertain.
  if (rest[end] == '*' || rest[end] == '?' || rest[end] == '{') end = end == 0 ? 0 : end - 1;
  return rest.substr(0, end);
}

Call StartsWithCall() {
  for (const Function& function : Functions()) {
    if (function.name == "startsWith") return function.call;
  }
  return nullptr;
}

}  // namespace

class GuardFinder {
 public:
  explicit GuardFinder(const Program& program) : program_(program) {}

  bool Find(const Node& node, Program::Guard* guard) const {
    if (node.op == Op::kOr) return Either(node, guard);
    if (node.op == Op::kAnd) return Best(node, guard);
    if (node.op == Op::kMatches) {
      const Node& text = program_.Child(node, 0);
      const absl::string_view prefix = LiteralPrefix(node.regex->pattern());
      if (text.op != Op::kField || prefix.empty()) return false;
      *guard = {text.field, true, {Value::String(prefix)}};
      return true;
    }
    return node.op == Op::kCall && node.count == 2 && Comparison(node, guard);
  }

 private:
  bool Comparison(const Node& node, Program::Guard* guard) const {
    static const Call kStartsWith = StartsWithCall();
    const Node* left = &program_.Child(node, 0);
    const Node* right = &program_.Child(node, 1);
    if (node.call == EqualCall && left->op == Op::kConstant) std::swap(left, right);
    if (left->op != Op::kField || right->op != Op::kConstant) return false;
    if (left->type != Type::kString && left->type != Type::kInt) return false;
    if (node.call == EqualCall || node.call == kStartsWith) {
      *guard = {left->field, node.call == kStartsWith, {right->constant}};
      return !(guard->prefix && right->constant.size == 0);
    }
    if (node.call != In || right->constant.kind != Kind::kList) return false;
    *guard = {left->field, false, {}};
    for (uint32_t i = 0; i < right->constant.size; ++i) {
      guard->values.push_back(right->constant.values[i]);
    }
    return true;
  }

  // All alternatives must need the same field; equality is then taken as a prefix where needed.
  bool Either(const Node& node, Program::Guard* guard) const {
    for (uint32_t i = 0; i < node.count; ++i) {
      Program::Guard one;
      if (!Find(program_.Child(node, i), &one)) return false;
      if (i == 0) {
        *guard = std::move(one);
        continue;
      }
      if (one.field != guard->field) return false;
      guard->prefix |= one.prefix;
      guard->values.insert(guard->values.end(), one.values.begin(), one.values.end());
    }
    if (!guard->prefix) return true;
    return std::none_of(guard->values.begin(), guard->values.end(),
                        [](const Value& value) { return value.size == 0; });
  }

  // Of a chain's guards the most selective: text before numbers, equality before prefixes.
  bool Best(const Node& node, Program::Guard* guard) const {
    int best = -1;
    for (uint32_t i = 0; i < node.count; ++i) {
      Program::Guard one;
      if (!Find(program_.Child(node, i), &one)) continue;
      const int rank = (one.field->type == Type::kString ? 2 : 0) + (one.prefix ? 0 : 1);
      if (rank <= best) continue;
      best = rank;
      *guard = std::move(one);
    }
    return best >= 0;
  }

  const Program& program_;
};

bool Program::FindGuard(Guard* guard) const {
  return GuardFinder(*this).Find(nodes_[root_], guard);
}

}  // namespace cairn::policy::cel
