// Conditions: a subset of CEL, checked against the field table and compiled to a form that is
// evaluated without allocation. What is in the subset means what CEL says it means; docs/policy.md
// lists it. https://github.com/google/cel-spec; ip() and cidr() as in Kubernetes' CEL library.
#ifndef CAIRN_POLICY_CEL_H_
#define CAIRN_POLICY_CEL_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "policy/cel_parser.h"
#include "policy/schema.h"
#include "re2/re2.h"

namespace cairn::policy::cel {

// What a condition may use beside the fields.
struct Scope {
  const std::map<std::string, std::vector<std::string>>* lists = nullptr;  // lists.NAME
  EventSet events;                                                         // it is judged on these
  EventSet named;  // those of `events` named one by one: each must have every field used
};

struct Node;
using Call = Value (*)(const Value* args, uint32_t count, Scratch* scratch);

enum class Op : uint8_t {
  kConstant,
  kField,
  kHasField,
  kAncestorField,
  kHasKey,
  kVariable,
  kAnd,
  kOr,
  kChoice,
  kCall,
  kList,
  kAll,
  kExists,
  kExistsOne,
  kMatches,
};

struct Node {
  Op op = Op::kConstant;
  Type type = Type::kBool;
  uint16_t slot = 0;   // kVariable, comprehensions
  uint32_t first = 0;  // children: Program::children[first, first + count)
  uint32_t count = 0;
  Value constant;
  const Field* field = nullptr;
  const AncestorField* ancestor = nullptr;
  Call call = nullptr;
  const RE2* regex = nullptr;
};

// Immutable. Evaluate from any number of threads, each with its own Scratch.
class Program {
 public:
  // InvalidArgument never: `error` and null say what is wrong with `source`.
  static std::unique_ptr<const Program> Compile(absl::string_view source, const Scope& scope,
                                                Error* error);

  // A bool or an error. `scratch` is reset.
  Value Evaluate(const Event& event, Scratch* scratch) const;

  // One necessary condition: `field` equals one of `values`, or begins with one of them. False
  // when the condition has none such. Views belong to the program.
  struct Guard {
    const Field* field = nullptr;
    bool prefix = false;
    std::vector<Value> values;
  };
  bool FindGuard(Guard* guard) const;

  // The parts of the top-level && chain, for `explain`; one part when there is no chain.
  uint32_t part_count() const;
  Value EvaluatePart(uint32_t part, const Event& event, Scratch* scratch) const;
  size_t part_offset(uint32_t part) const;

 private:
  friend class Compiler;
  friend class GuardFinder;
  static constexpr int kMaxSlots = 8;
  struct Frame {
    const Event* event;
    Scratch* scratch;
    Value slots[kMaxSlots];
  };

  Value Run(uint32_t index, Frame* frame) const;
  Value RunChain(const Node& node, Frame* frame) const;
  Value RunCall(const Node& node, Frame* frame) const;
  Value RunOver(const Node& node, Frame* frame) const;
  const Node& Child(const Node& node, uint32_t i) const {
    return nodes_[children_[node.first + i]];
  }

  std::vector<Node> nodes_;
  std::vector<size_t> offsets_;  // of nodes, in the source
  std::vector<uint32_t> children_;
  uint32_t root_ = 0;
  std::deque<std::string> strings_;
  std::deque<std::vector<Value>> lists_;
  std::deque<Address> addresses_;
  std::vector<std::unique_ptr<RE2>> regexes_;
};

}  // namespace cairn::policy::cel

#endif  // CAIRN_POLICY_CEL_H_
