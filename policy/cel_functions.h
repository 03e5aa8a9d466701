// CEL's functions and operators on cairn's types: one table.
#ifndef CAIRN_POLICY_CEL_FUNCTIONS_H_
#define CAIRN_POLICY_CEL_FUNCTIONS_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "policy/cel.h"

namespace cairn::policy::cel {

struct Function {
  absl::string_view name;  // operators as "_+_"
  bool method;             // x.name(…): x is the first argument
  std::vector<Type> takes;
  Type gives;
  Call call;
};

// All of them. Comparison of lists, `in` and macros are the compiler's. Lives for ever.
absl::Span<const Function> Functions();
std::vector<Function> TextFunctions();
std::vector<Function> NetFunctions();
std::vector<Function> TimeFunctions();

// Equality and order of two values of one type. Compare: <0, 0, >0.
bool Equal(const Value& a, const Value& b);
int Compare(const Value& a, const Value& b);

// "a in b"; b a list or map.
Value In(const Value* args, uint32_t count, Scratch* scratch);
Value EqualCall(const Value* args, uint32_t count, Scratch* scratch);
Value NotEqualCall(const Value* args, uint32_t count, Scratch* scratch);

// An IP address or CIDR block as text (RFC 4291, 4632); no zones, no IPv4-mapped IPv6, no
// leading zeros. False: it is none.
bool ParseAddress(absl::string_view text, Address* address);
bool ParseCidr(absl::string_view text, Address* address, uint32_t* prefix);
bool Contains(const Address& network, uint32_t prefix, const Address& address);

// Code points of UTF-8 text; a byte that is no part of one counts as one.
size_t CodePoints(absl::string_view text);

}  // namespace cairn::policy::cel

#endif  // CAIRN_POLICY_CEL_FUNCTIONS_H_
