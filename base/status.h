// Macros for absl::Status, and a Status from errno.
#ifndef CAIRN_BASE_STATUS_H_
#define CAIRN_BASE_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

// "`what`: No such file or directory", with the code that fits `error` (an errno value):
// NotFound, PermissionDenied, ResourceExhausted (ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM),
// AlreadyExists, Unavailable (EAGAIN, EINTR, ETIMEDOUT, ECONN*), DataLoss (EIO), else Internal.
absl::Status ErrnoStatus(int error, absl::string_view what);

// `status` with "`place`: " before its message. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view place);

}  // namespace cairn

#define CAIRN_CONCAT_INNER(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expression` is not OK.
#define RETURN_IF_ERROR(expression)              \
  do {                                           \
    absl::Status cairn_status = (expression);    \
    if (!cairn_status.ok()) return cairn_status; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): x, or returns F's error.
#define ASSIGN_OR_RETURN(lhs, expression) \
  ASSIGN_OR_RETURN_INNER(CAIRN_CONCAT(cairn_or_, __LINE__), lhs, expression)
#define ASSIGN_OR_RETURN_INNER(temporary, lhs, expression) \
  auto temporary = (expression);                           \
  if (!temporary.ok()) return temporary.status();          \
  lhs = std::move(temporary).value()

#endif  // CAIRN_BASE_STATUS_H_
