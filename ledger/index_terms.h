// What a stretch of log is searched for: terms, each a 64-bit hash, and the Bloom filter of them.
// docs/search.md.
#ifndef CAIRN_LEDGER_INDEX_TERMS_H_
#define CAIRN_LEDGER_INDEX_TERMS_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "ledger/reader.h"

namespace cairn::ledger {

using Term = uint64_t;

Term UserIdTerm(uint32_t id);  // real, effective or login user of the process
Term UserNameTerm(absl::string_view name);
Term RuleTerm(absl::string_view rule);
// A whole path, and a directory of one ("/etc/ssh/"); executables are kept apart from objects.
enum class PathKind { kExe, kObject };
Term PathTerm(PathKind kind, absl::string_view path);
Term DirectoryTerm(PathKind kind, absl::string_view directory);

using TermSet = absl::flat_hash_set<Term>;

// Every term of a record. `process` may be null.
void AddTerms(const LoggedRecord& logged, TermSet* terms);

// Ten bits a term, four of them set: one in a hundred absent terms is taken for present.
std::string MakeBloom(const TermSet& terms);
// An empty filter may hold anything.
bool MayHold(absl::string_view bloom, Term term);

// What a query needs at least. Necessary, not sufficient: a record that is wanted always fits.
struct Terms {
  uint64_t since_ns = 0;
  uint64_t until_ns = UINT64_MAX;         // wall, inclusive
  std::bitset<256> types;                 // none: any
  std::vector<std::vector<Term>> any_of;  // of each list, at least one

  // Adds the list of one term that every path beginning with `prefix` has; none for "/".
  void RequirePrefix(PathKind kind, absl::string_view prefix);
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_INDEX_TERMS_H_
