// One kernel record (bpf/event.h), taken apart and checked; no copy.
#ifndef CAIRN_AGENT_CAPTURE_EVENT_VIEW_H_
#define CAIRN_AGENT_CAPTURE_EVENT_VIEW_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "bpf/event.h"

namespace cairn::capture {

struct EventString {
  absl::string_view bytes;
  uint32_t whole = 0;  // bytes there were
  uint8_t flags = 0;   // enum event_string_flag
  bool present = false;
};

struct EventView {
  event_header header;
  absl::string_view body;  // as long as header.layout says
  std::array<EventString, STRING_KINDS> strings;

  // The body as a struct of bpf/event.h; zero beyond its end.
  template <typename T>
  T Body() const {
    T value = {};
    std::memcpy(&value, body.data(), body.size() < sizeof(T) ? body.size() : sizeof(T));
    return value;
  }
};

// Takes `record` apart; false when its lengths do not fit each other. Pure; any thread.
bool ParseEvent(absl::string_view record, EventView* view);

// Writes the path of kernel components ("passwd/etc/", leaf first) to `path`: "/etc/passwd".
// Without its leading slash when the leading components are missing (STRING_PARTIAL) or no
// name leads there (STRING_DETACHED: "[eventfd]", "memfd:x", "" for a pipe). `path` is reused.
void JoinComponents(const EventString& components, std::string* path);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_EVENT_VIEW_H_
