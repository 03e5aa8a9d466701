#include "agent/capture/dns.h"

#include "absl/base/internal/endian.h"

namespace cairn::capture {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kMaxName = 255;
constexpr unsigned char kMaxLabel = 63;  // above: a pointer, which a question has no use for

}  // namespace

bool ParseDnsQuestion(absl::string_view message, std::string* name, uint32_t* type,
                      bool* response) {
  name->clear();
  if (message.size() < kHeaderBytes) return false;
  *response = (static_cast<unsigned char>(message[2]) & 0x80) != 0;
  if (absl::big_endian::Load16(message.data() + 4) == 0) return false;
  absl::string_view left = message.substr(kHeaderBytes);
  while (!left.empty() && left[0] != 0) {
    const auto length = static_cast<unsigned char>(left[0]);
    if (length > kMaxLabel || left.size() < size_t{length} + 1) return false;
    if (name->size() + length + 1 > kMaxName) return false;
    if (!name->empty()) name->push_back('.');
    name->append(left.data() + 1, length);
    left.remove_prefix(size_t{length} + 1);
  }
  if (left.size() < 5) return false;  // the end, type and class
  *type = absl::big_endian::Load16(left.data() + 1);
  return true;
}

}  // namespace cairn::capture
