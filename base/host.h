// Which host this is: the uuid that `cairn key init` made, and what the kernel says.
#ifndef CAIRN_BASE_HOST_H_
#define CAIRN_BASE_HOST_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

inline constexpr absl::string_view kLogKeyName = "log.key";      // ledger/key.h has the form
inline constexpr absl::string_view kNextKeySuffix = ".next";     // of the key that takes over
inline constexpr absl::string_view kHostUuidName = "host.uuid";  // a uuid and a newline

// A random uuid (RFC 9562 version 4), in lower case.
std::string MakeUuid();

// True for 8-4-4-4-12 hexadecimal digits in lower case.
bool IsUuid(absl::string_view text);

// The uuid in KEYS_DIR/host.uuid. NotFound: `cairn key init` has not run. InvalidArgument:
// not a uuid.
absl::StatusOr<std::string> LoadHostUuid(const std::string& keys_dir);

// "<deployment>/h/<uuid>/<incarnation>": the name of a log (proto/FORMAT.md §1).
std::string LogOrigin(absl::string_view deployment, absl::string_view uuid,
                      absl::string_view incarnation);

// The newest incarnation in `log_dir` (its highest numbered directory); 1 when there is none.
absl::StatusOr<int> NewestIncarnation(const std::string& log_dir);

std::string BootId();  // of this boot, "" when the kernel does not tell
std::string HostName();
std::string KernelRelease();

}  // namespace cairn

#endif  // CAIRN_BASE_HOST_H_
