#include "policy/value.h"

#include "policy/schema.h"

namespace cairn::policy {

uint32_t ListSize(const Value& list) {
  switch (list.form) {
    case ListForm::kValues:
      return list.size;
    case ListForm::kStrings:
      return static_cast<uint32_t>(list.strings->size());
    case ListForm::kAncestors:
      return static_cast<uint32_t>(list.ancestors->size());
    case ListForm::kWords:
      return static_cast<uint32_t>(__builtin_popcountll(list.mask));
  }
  return 0;
}

Value ListAt(const Value& list, uint32_t index) {
  switch (list.form) {
    case ListForm::kValues:
      return list.values[index];
    case ListForm::kStrings:
      return Value::String(list.strings->Get(static_cast<int>(index)));
    case ListForm::kAncestors:
      return Value::OfAncestor(&list.ancestors->Get(static_cast<int>(index)));
    case ListForm::kWords: {
      uint64_t rest = list.mask;
      for (uint32_t i = 0; i < index; ++i) rest &= rest - 1;
      return Value::String(WordsOf(list.words).names[__builtin_ctzll(rest)]);
    }
  }
  return Value();
}

char* Scratch::Bytes(uint32_t count) {
  if (count > kBytes - bytes_used_) return nullptr;
  bytes_used_ += count;
  return bytes_ + bytes_used_ - count;
}

Value* Scratch::Values(uint32_t count) {
  if (count > kValues - values_used_) return nullptr;
  values_used_ += count;
  return values_ + values_used_ - count;
}

Address* Scratch::NewAddress() {
  return addresses_used_ == kAddresses ? nullptr : &addresses_[addresses_used_++];
}

}  // namespace cairn::policy
