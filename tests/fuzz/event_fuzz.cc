// Any bytes in a ring: taken apart, decoded, entered into the process table; nothing breaks.
#include <cstddef>
#include <cstdint>

#include "agent/capture/cgroup.h"
#include "agent/capture/decode.h"
#include "agent/capture/dns.h"
#include "agent/capture/event_view.h"
#include "agent/capture/process_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::capture;
  static Decoder* decoder = new Decoder;
  static ProcessTable* table =
      new ProcessTable({.live = 64, .lingering = 16, .reads_per_second = 0}, "/nonexistent");
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  ParseCgroup(bytes);
  std::string name;
  uint32_t type;
  bool response;
  ParseDnsQuestion(bytes, &name, &type, &response);
  EventView view;
  if (!ParseEvent(bytes, &view)) return 0;
  cairn::Record* record = decoder->Decode(view);
  if (record != nullptr && record->ByteSizeLong() > 3 * size + 4096) __builtin_trap();
  table->Find(view.header);
  if (view.header.layout == LAYOUT_TASK) {
    table->Exec(view);
    table->Fork(view);
  }
  if (view.header.layout == LAYOUT_CRED) table->Credentials(view);
  if (view.header.layout == LAYOUT_EXIT) table->Exit(view.header);
  return 0;
}
