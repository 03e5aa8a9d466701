#include "cli/indexed_log.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <filesystem>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "cli/terminal.h"
#include "ledger/hash.h"
#include "ledger/segments.h"

namespace cairn::cli {
namespace {

constexpr size_t kLoadedIndexes = 256;      // some 300 KiB each
constexpr uint64_t kWorthBytes = 64 << 20;  // less is read in a second or two

// $XDG_CACHE_HOME/cairn, or ~/.cache/cairn (XDG Base Directory Specification); "": no home.
std::string CacheDir() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return absl::StrCat(cache, "/cairn");
  const char* const home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return "";
  return absl::StrCat(home, "/.cache/cairn");
}

bool IsLarge(const std::string& log) {
  struct stat st;
  if (::stat(log.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return false;
  const auto segments = ledger::ListSegments(log);
  if (!segments.ok()) return false;
  uint64_t bytes = 0;
  for (const ledger::SegmentInfo& segment : *segments) bytes += segment.file_bytes;
  return bytes >= kWorthBytes;
}

}  // namespace

std::unique_ptr<IndexedLog> IndexedLog::OpenIfWorth(const std::string& log,
                                                    const ledger::Terms& terms) {
  const std::string cache = CacheDir();
  if (terms.types.none() && terms.any_of.empty()) return nullptr;
  if (cache.empty() || !IsLarge(log)) return nullptr;
  const std::string dir = absl::StrCat(cache, "/index");
  if (!MakeDirectories(Io::Real(), dir, 0700).ok()) return nullptr;
  auto key = ledger::LoadIndexKey(dir);
  if (!key.ok()) return nullptr;
  auto indexed = absl::WrapUnique(new IndexedLog());
  indexed->key_ = *std::move(key);
  std::error_code error;
  const std::string real = std::filesystem::canonical(log, error).string();
  if (error) return nullptr;
  const std::string name =
      absl::BytesToHexString(ledger::View(ledger::Sha256({real})).substr(0, 16));
  indexed->index_ =
      std::make_unique<ledger::LogIndex>(log, absl::StrCat(dir, "/", name), &indexed->key_);
  if (!indexed->index_->Refresh().ok()) return nullptr;
  Progress progress("indexing");
  const auto segments = indexed->index_->Segments();
  for (size_t i = 0; i < segments.size(); ++i) {
    progress.Show(i, segments.size());
    uint64_t ruled_out = 0;
    if (!indexed->index_->Candidates(segments[i].epoch, terms, &ruled_out).ok()) return nullptr;
    indexed->index_->Trim(kLoadedIndexes);
  }
  return indexed;
}

}  // namespace cairn::cli
