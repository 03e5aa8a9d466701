// A condition that somebody looks through records with: `--where`, the console's filter, a role's
// `when`. The language and its fields are those of policy (policy/cel.h).
#ifndef CAIRN_POLICY_WHERE_H_
#define CAIRN_POLICY_WHERE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/index_terms.h"
#include "ledger/reader.h"
#include "policy/cel.h"

namespace cairn::policy {

// Immutable; any thread.
class Where {
 public:
  // InvalidArgument: "column 9: unknown field 'proces.exe' (did you mean process.exe?)".
  static absl::StatusOr<Where> Parse(absl::string_view source);

  // A condition that errs on a record (no such key, say) does not hold for it.
  bool Holds(const ledger::LoggedRecord& logged) const;
  // Adds what every record it holds for must have.
  void Require(ledger::Terms* terms) const;

 private:
  explicit Where(std::shared_ptr<const cel::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const cel::Program> program_;
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_WHERE_H_
