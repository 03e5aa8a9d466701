// Which rules can match an event: found without looking at those that cannot.
#ifndef CAIRN_POLICY_INDEX_H_
#define CAIRN_POLICY_INDEX_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "policy/cel.h"
#include "policy/schema.h"

namespace cairn::policy {

// Numbers of conditions by event type and by what each needs at least (cel::Program::Guard).
// Built once, then read by any number of threads. The programs must outlive it.
class Index {
 public:
  // `when` null: every event of `events`.
  void Add(uint32_t number, const EventSet& events, const cel::Program* when);

  // Calls `visit` once for each number whose condition may hold for `event`, in no order.
  void Visit(const Event& event, Scratch* scratch, absl::FunctionRef<void(uint32_t)> visit) const;

 private:
  struct ByField {
    const Field* field;
    absl::flat_hash_map<absl::string_view, std::vector<uint32_t>> text;
    absl::flat_hash_map<int64_t, std::vector<uint32_t>> numbers;
    absl::flat_hash_map<absl::string_view, std::vector<uint32_t>> prefixes;
    std::vector<uint32_t> prefix_sizes;  // rising
  };
  struct ByType {
    std::vector<uint32_t> always;
    std::vector<ByField> fields;
  };

  static void AddGuarded(uint32_t number, const cel::Program::Guard& guard, ByType* type);

  std::array<std::unique_ptr<ByType>, 256> types_;
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_INDEX_H_
