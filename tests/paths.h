// Where the checkout and the built programs are. Known to one small file, so that no test's
// object depends on the folder it was built in.
#ifndef CAIRN_TESTS_PATHS_H_
#define CAIRN_TESTS_PATHS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cairn {

// "<checkout>/<path>"; of a file below it, as in "config/agent.yaml".
std::string SourcePath(absl::string_view path);

// "<build>/bin/<name>", or what stands for it in $CAIRN_PROGRAMS (tools/arm64).
std::string ProgramPath(absl::string_view name);

// "<shared>/<path>": data that only developers have, in $CAIRN_SHARED or beside the checkout.
std::string SharedPath(absl::string_view path);

}  // namespace cairn

#endif  // CAIRN_TESTS_PATHS_H_
