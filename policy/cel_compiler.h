// From the tree of expressions to a Program: names, types, constants. Used by cel_*.cc alone.
#ifndef CAIRN_POLICY_CEL_COMPILER_H_
#define CAIRN_POLICY_CEL_COMPILER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/cel.h"

namespace cairn::policy::cel {

// Where an expression begins: "process.exe.size() == 1" at the p, though its operator and function
// stand further on.
size_t Start(const Expr& expr);

bool IsList(Type type);
// Type of a list's elements; kEmptyList for the empty list's.
Type ElementOf(Type list);

class Compiler {
 public:
  Compiler(const Scope& scope, Program* program, Error* error)
      : scope_(scope), program_(program), error_(error) {}
  bool Whole(const Expr& expr);

 private:
  using Index = std::optional<uint32_t>;  // of a node; nothing after an error
  struct Variable {
    absl::string_view name;
    Type type;
    uint16_t slot;
    const Value* constant;  // while an `exists` over constants is unrolled
  };

  Index Fail(size_t offset, std::string cause);
  Index New(const Expr& at, Node node, const std::vector<uint32_t>& children = {});
  Index Constant(const Expr& at, Type type, Value value);
  const Node& At(uint32_t index) const { return program_->nodes_[index]; }
  Type TypeOf(uint32_t index) const { return At(index).type; }

  Index Any(const Expr& expr);
  Index Name(const Expr& expr);
  Index Select(const Expr& expr);
  Index FieldOf(const Expr& expr, const Field& field);
  Index UnknownName(const Expr& expr, const std::string& name);
  Index ListNamed(const Expr& expr, const std::string& name);
  Index List(const Expr& expr);
  Index CallOf(const Expr& expr);
  Index Logic(const Expr& expr, Op op);
  Index Choice(const Expr& expr);
  Index HasOf(const Expr& expr);
  Index EqualOf(const Expr& expr);
  Index InOf(const Expr& expr);
  Index Matches(const Expr& expr, const std::vector<uint32_t>& args);
  Index Apply(const Expr& expr, const std::vector<uint32_t>& args);
  Index NoSuchFunction(const Expr& expr, const std::vector<uint32_t>& args);
  Index Macro(const Expr& expr);
  Index Unrolled(const Expr& expr, const Value& list, Type element, Op op);
  Index Fold(const Expr& at, Node node, const std::vector<uint32_t>& args);
  Value Keep(const Value& value);
  // "process.exe" of a chain of selections whose root is no variable; "" otherwise.
  std::string Dotted(const Expr& expr) const;
  const Variable* FindVariable(absl::string_view name) const;

  const Scope& scope_;
  Program* const program_;
  Error* const error_;
  std::vector<Variable> variables_;
  std::unique_ptr<Scratch> scratch_ = std::make_unique<Scratch>();
};

}  // namespace cairn::policy::cel

#endif  // CAIRN_POLICY_CEL_COMPILER_H_
