// What a compiled policy asks of the kernel-side filter: an over-approximation of what any
// rule could record.
#ifndef CAIRN_POLICY_WANTED_H_
#define CAIRN_POLICY_WANTED_H_

#include <algorithm>
#include <bitset>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "proto/record.pb.h"

namespace cairn::policy {

struct Wanted {
  std::bitset<256> types;        // by EventType
  std::vector<std::string> env;  // variables to capture when a program starts, sorted
  bool exe_hash = false;         // some rule asks for the executable's hash

  bool Has(EventType type) const { return types.test(static_cast<size_t>(type)); }
  void Add(EventType type) { types.set(static_cast<size_t>(type)); }
  // What either wants.
  void Add(const Wanted& other) {
    types |= other.types;
    exe_hash |= other.exe_hash;
    std::vector<std::string> both;
    std::set_union(env.begin(), env.end(), other.env.begin(), other.env.end(),
                   std::back_inserter(both));
    env = std::move(both);
  }
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_WANTED_H_
