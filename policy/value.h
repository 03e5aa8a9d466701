// A value of cairn's CEL subset: 16 bytes, owns nothing. docs/policy.md, "Conditions".
#ifndef CAIRN_POLICY_VALUE_H_
#define CAIRN_POLICY_VALUE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/map.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "proto/record.pb.h"

namespace cairn::policy {

enum class Kind : uint8_t {
  kError,  // `text` says why; a static string
  kBool,
  kInt,
  kString,     // bytes as the kernel gave them; UTF-8 where functions count characters
  kTimestamp,  // `number` seconds since 1970, `size` nanoseconds
  kDuration,   // `number` nanoseconds
  kIp,         // `address`
  kCidr,       // `address`, prefix in `size`
  kList,
  kMap,  // string to string
  kAncestor,
};

// What a list is made of.
enum class ListForm : uint8_t { kValues, kStrings, kWords, kAncestors };

// 4 or 16 bytes, network order.
struct Address {
  uint8_t bytes[16];
  uint8_t length;
};

using Strings = google::protobuf::RepeatedPtrField<std::string>;
using Ancestors = google::protobuf::RepeatedPtrField<Ancestor>;
using StringMap = google::protobuf::Map<std::string, std::string>;

// Names of the bits of a mask, lowest first; null where a bit has none.
struct WordTable {
  const char* const* names;
  uint32_t count;
};

struct Value {
  Kind kind = Kind::kError;
  ListForm form = ListForm::kValues;
  uint16_t words = 0;  // kWords: which table (schema.h)
  uint32_t size = 0;   // string, kValues: length; see Kind
  union {
    int64_t number;
    uint64_t mask;  // kWords
    const char* text;
    const Value* values;
    const Strings* strings;
    const Ancestors* ancestors;
    const StringMap* map;
    const Ancestor* ancestor;
    const Address* address;
  };

  Value() : text("no value") {}
  static Value Error(const char* why) { return Make(Kind::kError, &Value::text, why); }
  static Value Bool(bool value) { return Make(Kind::kBool, &Value::number, int64_t{value}); }
  static Value Int(int64_t value) { return Make(Kind::kInt, &Value::number, value); }
  // Unsigned 64-bit values beyond int64 are cut to its largest.
  static Value Unsigned(uint64_t value) {
    return Int(value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value));
  }
  static Value String(absl::string_view text) {
    Value value = Make(Kind::kString, &Value::text, text.data());
    value.size = static_cast<uint32_t>(text.size());
    return value;
  }
  static Value Duration(int64_t ns) { return Make(Kind::kDuration, &Value::number, ns); }
  static Value Timestamp(int64_t seconds, uint32_t ns) {
    Value value = Make(Kind::kTimestamp, &Value::number, seconds);
    value.size = ns;
    return value;
  }
  static Value Ip(const Address* address) { return Make(Kind::kIp, &Value::address, address); }
  static Value Cidr(const Address* address, uint32_t prefix) {
    Value value = Make(Kind::kCidr, &Value::address, address);
    value.size = prefix;
    return value;
  }
  static Value List(const Value* values, uint32_t size) {
    Value value = Make(Kind::kList, &Value::values, values);
    value.size = size;
    return value;
  }
  static Value List(const Strings* strings) {
    Value value = Make(Kind::kList, &Value::strings, strings);
    value.form = ListForm::kStrings;
    return value;
  }
  static Value List(const Ancestors* ancestors) {
    Value value = Make(Kind::kList, &Value::ancestors, ancestors);
    value.form = ListForm::kAncestors;
    return value;
  }
  static Value Words(uint16_t table, uint64_t mask) {
    Value value = Make(Kind::kList, &Value::mask, mask);
    value.form = ListForm::kWords;
    value.words = table;
    return value;
  }
  static Value Map(const StringMap* map) { return Make(Kind::kMap, &Value::map, map); }
  static Value OfAncestor(const Ancestor* ancestor) {
    return Make(Kind::kAncestor, &Value::ancestor, ancestor);
  }

  bool is_error() const { return kind == Kind::kError; }
  bool is_true() const { return kind == Kind::kBool && number != 0; }
  bool is_false() const { return kind == Kind::kBool && number == 0; }
  absl::string_view view() const { return absl::string_view(text, size); }

 private:
  template <typename Member, typename T>
  static Value Make(Kind kind, Member member, T payload) {
    Value value;
    value.kind = kind;
    value.*member = payload;
    return value;
  }
};
static_assert(sizeof(Value) == 16);

// Elements of a list. At: index below ListSize. Any thread.
uint32_t ListSize(const Value& list);
Value ListAt(const Value& list, uint32_t index);

// Room for what an evaluation makes: bounded, reused, never freed between events. One thread.
class Scratch {
 public:
  static constexpr uint32_t kBytes = 64 << 10;
  static constexpr uint32_t kValues = 1024;
  static constexpr uint32_t kAddresses = 64;

  void Reset() { bytes_used_ = values_used_ = addresses_used_ = 0; }
  // Null when there is no more room.
  char* Bytes(uint32_t count);
  Value* Values(uint32_t count);
  Address* NewAddress();

 private:
  uint32_t bytes_used_ = 0, values_used_ = 0, addresses_used_ = 0;
  char bytes_[kBytes];
  Value values_[kValues];
  Address addresses_[kAddresses];
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_VALUE_H_
