#include "tests/paths.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace cairn {

std::string SourcePath(absl::string_view path) { return absl::StrCat(CAIRN_SOURCE_DIR "/", path); }

std::string ProgramPath(absl::string_view name) {
  const char* elsewhere = std::getenv("CAIRN_PROGRAMS");
  return absl::StrCat(elsewhere != nullptr ? elsewhere : CAIRN_BINARY_DIR "/bin", "/", name);
}

std::string SharedPath(absl::string_view path) {
  const char* shared = std::getenv("CAIRN_SHARED");
  return absl::StrCat(shared != nullptr ? shared : CAIRN_SOURCE_DIR "/../shared", "/", path);
}

}  // namespace cairn
