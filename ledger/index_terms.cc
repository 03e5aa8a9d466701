#include "ledger/index_terms.h"

#include <algorithm>

namespace cairn::ledger {
namespace {

constexpr size_t kLeastBloomBytes = 64;
constexpr size_t kMostBloomBytes = 16 << 10;
constexpr int kBitsATerm = 10;
constexpr int kProbes = 4;

uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

// FNV-1a, then mixed: stable on every machine, since it is on disk.
Term HashOf(char kind, absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u ^ static_cast<uint8_t>(kind);
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return Mix(hash);
}

void AddPath(PathKind kind, absl::string_view path, TermSet* terms) {
  if (path.empty() || !terms->insert(PathTerm(kind, path)).second) return;
  for (size_t slash = path.find('/', 1); slash != absl::string_view::npos;
       slash = path.find('/', slash + 1)) {
    terms->insert(DirectoryTerm(kind, path.substr(0, slash + 1)));
  }
}

}  // namespace

Term UserIdTerm(uint32_t id) { return Mix(0x75696400000000u | id); }
Term UserNameTerm(absl::string_view name) { return HashOf('n', name); }
Term RuleTerm(absl::string_view rule) { return HashOf('r', rule); }
Term PathTerm(PathKind kind, absl::string_view path) {
  return HashOf(kind == PathKind::kExe ? 'x' : 'p', path);
}
Term DirectoryTerm(PathKind kind, absl::string_view directory) {
  return HashOf(kind == PathKind::kExe ? 'X' : 'P', directory);
}

void AddTerms(const LoggedRecord& logged, TermSet* terms) {
  if (logged.process != nullptr) {
    const Process& process = *logged.process;
    for (const uint32_t id : {process.uid(), process.euid(), process.auid()}) {
      terms->insert(UserIdTerm(id));
    }
    if (!process.user().empty()) terms->insert(UserNameTerm(process.user()));
    AddPath(PathKind::kExe, process.exe(), terms);
  }
  for (const absl::string_view rule : logged.rules) terms->insert(RuleTerm(rule));
  AddPath(PathKind::kObject, logged.record->file().path(), terms);
  AddPath(PathKind::kObject, logged.record->target().path(), terms);
}

std::string MakeBloom(const TermSet& terms) {
  size_t bytes = kLeastBloomBytes;
  while (bytes * 8 < terms.size() * kBitsATerm && bytes < kMostBloomBytes) bytes *= 2;
  std::string bloom(bytes, '\0');
  const uint64_t mask = bytes * 8 - 1;
  for (const Term term : terms) {
    const uint64_t step = Mix(term) | 1;
    for (int i = 0; i < kProbes; ++i) {
      const uint64_t bit = (term + static_cast<uint64_t>(i) * step) & mask;
      bloom[bit / 8] = static_cast<char>(static_cast<uint8_t>(bloom[bit / 8]) | 1u << bit % 8);
    }
  }
  return bloom;
}

bool MayHold(absl::string_view bloom, Term term) {
  if (bloom.empty()) return true;
  const uint64_t mask = bloom.size() * 8 - 1;
  const uint64_t step = Mix(term) | 1;
  for (int i = 0; i < kProbes; ++i) {
    const uint64_t bit = (term + static_cast<uint64_t>(i) * step) & mask;
    if ((static_cast<uint8_t>(bloom[bit / 8]) >> bit % 8 & 1) == 0) return false;
  }
  return true;
}

void Terms::RequirePrefix(PathKind kind, absl::string_view prefix) {
  const size_t slash = prefix.rfind('/');
  if (slash == absl::string_view::npos || slash == 0) return;
  any_of.push_back({DirectoryTerm(kind, prefix.substr(0, slash + 1))});
}

}  // namespace cairn::ledger
