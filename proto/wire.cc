#include "proto/wire.h"

#include <zstd.h>

#include <algorithm>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"

namespace cairn::wire {
namespace {

constexpr size_t kLengthBytes = 4;

absl::Status Bad(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckText(absl::string_view what, absl::string_view text) {
  if (text.size() <= kMaxTextBytes) return absl::OkStatus();
  return Bad(absl::StrCat(what, " of ", text.size(), " bytes, at most ", kMaxTextBytes));
}

absl::Status CheckNote(absl::string_view note) {
  if (note.size() <= kMaxNoteBytes) return absl::OkStatus();
  return Bad(absl::StrCat("note of ", note.size(), " bytes, at most ", kMaxNoteBytes));
}

absl::Status CheckAppend(const Append& append) {
  const size_t size = append.inflated() != 0 ? append.inflated() : append.data().size();
  if (append.data().empty() || size == 0 || size > kMaxAppendBytes ||
      append.data().size() > kMaxAppendBytes) {
    return Bad(absl::StrCat("append of ", size, " bytes (", append.data().size(),
                            " sent), must be 1 to ", kMaxAppendBytes));
  }
  return absl::OkStatus();
}

absl::Status First(std::initializer_list<absl::Status> all) {
  for (const absl::Status& status : all) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

void AppendFrame(const Frame& frame, std::string* out) {
  const size_t size = frame.ByteSizeLong();
  char length[kLengthBytes];
  absl::big_endian::Store32(length, static_cast<uint32_t>(size));
  out->append(length, kLengthBytes);
  frame.AppendToString(out);
}

absl::StatusOr<bool> FrameParser::Next(Frame* frame) {
  if (buffered() < kLengthBytes) return false;
  const char* start = buffer_.data() + used_;
  const uint32_t length = absl::big_endian::Load32(start);
  if (length == 0 || length > kMaxFrameBytes) {
    return Bad(absl::StrCat("frame length ", length, ", must be 1 to ", kMaxFrameBytes));
  }
  if (buffered() < kLengthBytes + length) {
    if (used_ > 0) buffer_.erase(0, used_);
    used_ = 0;
    return false;
  }
  if (!frame->ParseFromArray(start + kLengthBytes, static_cast<int>(length))) {
    return Bad(absl::StrCat("frame of ", length, " bytes is not a protobuf Frame"));
  }
  used_ += kLengthBytes + length;
  if (used_ == buffer_.size()) {
    std::string().swap(buffer_);  // an idle connection holds no buffer
    used_ = 0;
  }
  const absl::Status good = CheckFrame(*frame);
  if (!good.ok()) return good;
  return true;
}

absl::Status CheckFrame(const Frame& frame) {
  switch (frame.body_case()) {
    case Frame::kHello:
      return First({CheckText("origin", frame.hello().origin()),
                    CheckText("log key", frame.hello().log_key()),
                    CheckText("agent version", frame.hello().agent_version()),
                    CheckNote(frame.hello().checkpoint())});
    case Frame::kWelcome:
      return First({CheckText("collector key", frame.welcome().collector_key()),
                    CheckNote(frame.welcome().checkpoint()),
                    CheckNote(frame.welcome().archived())});
    case Frame::kAppend:
      return CheckAppend(frame.append());
    case Frame::kReceipt:
      return First({CheckText("cosignature", frame.receipt().cosignature()),
                    CheckNote(frame.receipt().checkpoint())});
    case Frame::kRefusal:
      return First({CheckText("refusal", frame.refusal().text()),
                    CheckText("collector key", frame.refusal().collector_key()),
                    CheckNote(frame.refusal().checkpoint())});
    case Frame::kKeepAlive:
      return absl::OkStatus();
    case Frame::kEnrol:
      return First({CheckText("token", frame.enrol().token()),
                    CheckText("host uuid", frame.enrol().host_uuid()),
                    CheckText("log key", frame.enrol().log_key()),
                    CheckNote(frame.enrol().csr_der())});
    case Frame::kEnrolled:
      return First({CheckText("collector key", frame.enrolled().collector_key()),
                    CheckNote(frame.enrolled().certificate_pem()),
                    CheckNote(frame.enrolled().ca_pem())});
    case Frame::BODY_NOT_SET:
      break;
  }
  return Bad("frame without a body, or of a kind this version does not know");
}

absl::StatusOr<std::string> InflateAppend(const Append& append) {
  if (append.inflated() == 0) return append.data();
  std::string out(std::min<size_t>(append.inflated(), kMaxAppendBytes), '\0');
  const size_t n =
      ZSTD_decompress(out.data(), out.size(), append.data().data(), append.data().size());
  if (ZSTD_isError(n) || n != append.inflated()) {
    return Bad(absl::StrCat("append does not inflate to the ", append.inflated(), " bytes stated"));
  }
  return out;
}

void SetAppendData(absl::string_view bytes, bool compress, Append* append) {
  append->clear_inflated();
  if (compress) {
    std::string* out = append->mutable_data();
    out->resize(ZSTD_compressBound(bytes.size()));
    const size_t n = ZSTD_compress(out->data(), out->size(), bytes.data(), bytes.size(), 1);
    if (!ZSTD_isError(n) && n < bytes.size() - bytes.size() / 8) {  // else it does not pay
      out->resize(n);
      append->set_inflated(static_cast<uint32_t>(bytes.size()));
      return;
    }
  }
  append->set_data(bytes.data(), bytes.size());
}

std::string RefusalText(const Refusal& refusal) {
  const std::string& name = Refusal::Code_Name(refusal.code());
  return absl::StrCat(name.empty() ? "UNKNOWN_CODE" : name, ": ", refusal.text());
}

}  // namespace cairn::wire
