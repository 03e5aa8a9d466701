// ip() and cidr(), as Kubernetes' CEL library has them.
#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/numbers.h"
#include "policy/cel_functions.h"

namespace cairn::policy::cel {
namespace {

#define CALL(expression)                                             \
  [](const Value* args, uint32_t count, Scratch* scratch) -> Value { \
    (void)args, (void)count, (void)scratch;                          \
    return expression;                                               \
  }

Value NewIp(const Address& address, Scratch* scratch) {
  Address* kept = scratch->NewAddress();
  if (kept == nullptr) return Value::Error("too many addresses in one condition");
  *kept = address;
  return Value::Ip(kept);
}

Value IpOf(const Value* args, uint32_t, Scratch* scratch) {
  Address address;
  if (!ParseAddress(args[0].view(), &address)) return Value::Error("not an IP address");
  return NewIp(address, scratch);
}

Value CidrOf(const Value* args, uint32_t, Scratch* scratch) {
  Address address;
  uint32_t prefix;
  if (!ParseCidr(args[0].view(), &address, &prefix)) {
    return Value::Error("not a CIDR block (as in 10.0.0.0/8)");
  }
  const Value ip = NewIp(address, scratch);
  return ip.is_error() ? ip : Value::Cidr(ip.address, prefix);
}

Value ContainsIp(const Value* args, uint32_t, Scratch*) {
  return Value::Bool(Contains(*args[0].address, args[0].size, *args[1].address));
}
Value ContainsIpText(const Value* args, uint32_t, Scratch*) {
  Address address;
  if (!ParseAddress(args[1].view(), &address)) return Value::Error("not an IP address");
  return Value::Bool(Contains(*args[0].address, args[0].size, address));
}
Value ContainsCidr(const Value* args, uint32_t, Scratch*) {
  return Value::Bool(args[1].size >= args[0].size &&
                     Contains(*args[0].address, args[0].size, *args[1].address));
}
Value ContainsCidrText(const Value* args, uint32_t, Scratch*) {
  Address address;
  uint32_t prefix;
  if (!ParseCidr(args[1].view(), &address, &prefix)) {
    return Value::Error("not a CIDR block (as in 10.0.0.0/8)");
  }
  return Value::Bool(prefix >= args[0].size && Contains(*args[0].address, args[0].size, address));
}

bool Within(const Value& ip, absl::string_view v4, absl::string_view v6) {
  Address network;
  uint32_t prefix;
  const absl::string_view block = ip.address->length == 4 ? v4 : v6;
  return ParseCidr(block, &network, &prefix) && Contains(network, prefix, *ip.address);
}
bool Loopback(const Value& ip) { return Within(ip, "127.0.0.0/8", "::1/128"); }
bool Unspecified(const Value& ip) { return Within(ip, "0.0.0.0/32", "::/128"); }
bool LinkLocal(const Value& ip) { return Within(ip, "169.254.0.0/16", "fe80::/10"); }
bool Multicast(const Value& ip) { return Within(ip, "224.0.0.0/4", "ff00::/8"); }
bool LinkLocalMulticast(const Value& ip) { return Within(ip, "224.0.0.0/24", "ff02::/16"); }
// As Go's netip: neither unspecified, loopback, link-local, multicast, nor the v4 broadcast.
bool GlobalUnicast(const Value& ip) {
  return !Unspecified(ip) && !Loopback(ip) && !LinkLocal(ip) && !Multicast(ip) &&
         !(ip.address->length == 4 && Within(ip, "255.255.255.255/32", ""));
}

bool IsIp(const Value& text) {
  Address address;
  return ParseAddress(text.view(), &address);
}
bool IsCidr(const Value& text) {
  Address address;
  uint32_t prefix;
  return ParseCidr(text.view(), &address, &prefix);
}

}  // namespace

bool ParseAddress(absl::string_view text, Address* address) {
  char copy[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() > INET6_ADDRSTRLEN ||
      text.find('\0') != absl::string_view::npos) {
    return false;
  }
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  const bool v4 = text.find(':') == absl::string_view::npos;
  address->length = v4 ? 4 : 16;
  if (inet_pton(v4 ? AF_INET : AF_INET6, copy, address->bytes) != 1) return false;
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return v4 || std::memcmp(address->bytes, kMapped, sizeof kMapped) != 0;
}

bool ParseCidr(absl::string_view text, Address* address, uint32_t* prefix) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos || !ParseAddress(text.substr(0, slash), address))
    return false;
  const absl::string_view digits = text.substr(slash + 1);
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
  }
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return false;
  return absl::SimpleAtoi(digits, prefix) && *prefix <= address->length * 8u;
}

bool Contains(const Address& network, uint32_t prefix, const Address& address) {
  if (network.length != address.length) return false;
  const uint32_t whole = prefix / 8;
  if (std::memcmp(network.bytes, address.bytes, whole) != 0) return false;
  if (prefix % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xFF << (8 - prefix % 8));
  return (network.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

std::vector<Function> NetFunctions() {
  constexpr Type kS = Type::kString, kI = Type::kInt, kB = Type::kBool;
  return {
      {"ip", false, {kS}, Type::kIp, IpOf},
      {"cidr", false, {kS}, Type::kCidr, CidrOf},
      {"isIP", false, {kS}, kB, CALL(Value::Bool(IsIp(args[0])))},
      {"isCIDR", false, {kS}, kB, CALL(Value::Bool(IsCidr(args[0])))},
      {"containsIP", true, {Type::kCidr, Type::kIp}, kB, ContainsIp},
      {"containsIP", true, {Type::kCidr, kS}, kB, ContainsIpText},
      {"containsCIDR", true, {Type::kCidr, Type::kCidr}, kB, ContainsCidr},
      {"containsCIDR", true, {Type::kCidr, kS}, kB, ContainsCidrText},
      {"prefixLength", true, {Type::kCidr}, kI, CALL(Value::Int(args[0].size))},
      {"ip", true, {Type::kCidr}, Type::kIp, CALL(Value::Ip(args[0].address))},
      {"family", true, {Type::kIp}, kI, CALL(Value::Int(args[0].address->length == 4 ? 4 : 6))},
      {"isLoopback", true, {Type::kIp}, kB, CALL(Value::Bool(Loopback(args[0])))},
      {"isUnspecified", true, {Type::kIp}, kB, CALL(Value::Bool(Unspecified(args[0])))},
      {"isLinkLocalUnicast", true, {Type::kIp}, kB, CALL(Value::Bool(LinkLocal(args[0])))},
      {"isLinkLocalMulticast",
       true,
       {Type::kIp},
       kB,
       CALL(Value::Bool(LinkLocalMulticast(args[0])))},
      {"isGlobalUnicast", true, {Type::kIp}, kB, CALL(Value::Bool(GlobalUnicast(args[0])))},
  };
}

}  // namespace cairn::policy::cel
