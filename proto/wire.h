// Frames of proto/wire.proto on a byte stream.
#ifndef CAIRN_PROTO_WIRE_H_
#define CAIRN_PROTO_WIRE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/wire.pb.h"

namespace cairn::wire {

inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kMaxFrameBytes = 192 << 10;  // of the message, without its length
inline constexpr size_t kMaxAppendBytes = 128 << 10;
inline constexpr size_t kMaxNoteBytes = 32 << 10;
inline constexpr size_t kMaxTextBytes = 1024;  // origins, keys, refusal texts, signature lines

// Appends `frame` with its length to `out`.
void AppendFrame(const Frame& frame, std::string* out);

// Cuts a byte stream into frames. Bytes may arrive in pieces of any size. One thread.
// Memory: at most one frame; nothing while idle.
class FrameParser {
 public:
  void Add(absl::string_view bytes) { buffer_.append(bytes.data(), bytes.size()); }

  // True: `frame` is filled. False: more bytes are needed. InvalidArgument: the stream is not
  // ours or breaks a bound of wire.proto; nothing after it can be trusted.
  absl::StatusOr<bool> Next(Frame* frame);

  size_t buffered() const { return buffer_.size() - used_; }

 private:
  std::string buffer_;
  size_t used_ = 0;
};

// Checks the bounds of wire.proto that hold for a message by itself. InvalidArgument.
absl::Status CheckFrame(const Frame& frame);

// The bytes an Append stands for. InvalidArgument: `inflated` is out of bounds or wrong.
absl::StatusOr<std::string> InflateAppend(const Append& append);
// Sets data, and inflated where compressing pays.
void SetAppendData(absl::string_view bytes, bool compress, Append* append);

// "UNTRUSTED_KEY: text".
std::string RefusalText(const Refusal& refusal);

}  // namespace cairn::wire

#endif  // CAIRN_PROTO_WIRE_H_
