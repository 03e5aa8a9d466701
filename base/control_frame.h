// Frames on the control socket: a big-endian u32 length and that many bytes (control.proto).
#ifndef CAIRN_BASE_CONTROL_FRAME_H_
#define CAIRN_BASE_CONTROL_FRAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"

namespace cairn {

inline constexpr size_t kMaxControlFrame = 64 << 10;

// `body` with its length before it. InvalidArgument above kMaxControlFrame bytes.
absl::StatusOr<std::string> EncodeControlFrame(absl::string_view body);

enum class FrameEnd { kFrame, kMore };

// Looks for one frame at the start of `bytes`. kFrame: `body` is a view into `bytes`. kMore: not
// all of it is there yet. InvalidArgument: longer than kMaxControlFrame.
absl::StatusOr<FrameEnd> DecodeControlFrame(absl::string_view bytes, absl::string_view* body);

// Connects to the Unix socket `path`, sends `request` and waits up to `timeout_ms` for one reply
// frame's body. Unavailable: nobody listens there, or no answer in time; PermissionDenied.
absl::StatusOr<std::string> CallControl(const std::string& path, absl::string_view request,
                                        int timeout_ms);

}  // namespace cairn

#endif  // CAIRN_BASE_CONTROL_FRAME_H_
