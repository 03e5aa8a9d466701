// CEL text as a tree of expressions, before names and types are known.
// https://github.com/google/cel-spec doc/langdef.md, "Syntax"; our subset: docs/policy.md.
#ifndef CAIRN_POLICY_CEL_PARSER_H_
#define CAIRN_POLICY_CEL_PARSER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::policy::cel {

inline constexpr size_t kMaxSource = 16 << 10;  // bytes
inline constexpr int kMaxDepth = 64;    // of brackets, and of operators of one kind in a row
inline constexpr int kMaxHeight = 128;  // of the tree
inline constexpr int kMaxExpressions = 4096;

// One thing wrong with a condition; `offset` in bytes from its beginning.
struct Error {
  size_t offset = 0;
  std::string cause;
};

struct Expr {
  enum class Kind {
    kBool,
    kInt,
    kString,
    kName,    // text
    kSelect,  // args[0].text
    kCall,    // text(args…); operators are calls of "_+_", "!_", "_?_:_", "_[_]", …
    kMethod,  // args[0].text(args[1]…)
    kList,    // [args…]
  };
  Kind kind = Kind::kBool;
  size_t offset = 0;
  int64_t number = 0;
  int height = 1;
  std::string text;
  std::vector<std::unique_ptr<Expr>> args;
};

// Null and `error` filled when `source` is not of the grammar, or beyond a limit. `&&` and `||`
// chains are one call "_&&_", "_||_" with all their operands. Any thread.
std::unique_ptr<Expr> Parse(absl::string_view source, Error* error);

}  // namespace cairn::policy::cel

#endif  // CAIRN_POLICY_CEL_PARSER_H_
