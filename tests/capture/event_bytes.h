// Kernel records written by hand, for tests that have no kernel.
#ifndef CAIRN_TESTS_CAPTURE_EVENT_BYTES_H_
#define CAIRN_TESTS_CAPTURE_EVENT_BYTES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "bpf/event.h"

namespace cairn::capture {

inline event_header Header(uint8_t type, uint8_t layout, uint32_t pid = 100) {
  event_header header = {};
  header.time_ns = 5'000'000'000;
  header.start_ns = 1'230'000'007;
  header.pid = header.tid = pid;
  header.type = type;
  header.layout = layout;
  return header;
}

template <typename T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline std::string String(uint8_t kind, const std::string& bytes, uint32_t whole = 0,
                          uint8_t flags = 0) {
  event_string head = {};
  head.kind = kind;
  head.flags = flags;
  head.len = static_cast<uint16_t>(bytes.size());
  head.whole = whole == 0 ? head.len : whole;
  return Bytes(head) + bytes;
}

}  // namespace cairn::capture

#endif  // CAIRN_TESTS_CAPTURE_EVENT_BYTES_H_
