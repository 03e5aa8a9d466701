// What of a policy the kernel can judge by itself: docs/capture.md, "Push-down".
#ifndef CAIRN_POLICY_GUARDS_H_
#define CAIRN_POLICY_GUARDS_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/policy.h"
#include "proto/record.pb.h"

namespace cairn::policy {

// A necessary condition of some rule: the event's path, or a field of its process, is one of
// `texts` or `numbers`, or begins with one of `texts`.
struct Guard {
  enum Of : uint8_t { kPath, kExe, kUid, kEuid, kAuid };

  std::bitset<256> types;  // that the rule is for
  Of of = kPath;
  bool prefix = false;
  std::vector<std::string> texts;  // kPath, kExe
  std::vector<int64_t> numbers;    // kUid, kEuid, kAuid
};

// A value; any thread. Empty: nothing is guarded.
struct Guards {
  std::bitset<256> types;    // that the policy wants
  std::bitset<256> guarded;  // of those: each rule that wants the type is in `list`
  std::vector<Guard> list;

  // Lets through whatever one of the two does.
  Guards Union(const Guards& other) const;

  // Guarded types that have guards on the path, and on the process.
  std::bitset<256> by_path() const;
  std::bitset<256> by_process() const;

  // Of by_process(): the types whose guards on the process all fail for `process`.
  std::bitset<256> MutedFor(const Process& process) const;
};

// The guards of `policy`: of file and network events those that no category records and whose
// rules all have a guard.
Guards GuardsOf(const Policy& policy);

// The same for a person: a line an event, "file.open  file.path begins /etc/, process.uid is 0".
std::string ExplainGuards(const Guards& guards);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_GUARDS_H_
