// A kernel record as a Record: everything but who did it.
#ifndef CAIRN_AGENT_CAPTURE_DECODE_H_
#define CAIRN_AGENT_CAPTURE_DECODE_H_

#include <array>
#include <string>

#include "agent/capture/event_view.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// Decodes into records it keeps and reuses, one for each layout, so that no event allocates
// once they have grown. One thread.
class Decoder {
 public:
  Decoder();

  // The record of `view`, the caller's to change until the next call; null when the event is
  // of no type we know. Bytes are copied as they are.
  Record* Decode(const EventView& view);

 private:
  void DecodeTask(const EventView& view, Record* record);
  void DecodeFile(const EventView& view, Record* record);
  void DecodeNet(const EventView& view, Record* record);
  void DecodeCred(const EventView& view, Record* record);
  void DecodeCall(const EventView& view, Record* record);
  void DecodeSysctl(const EventView& view, Record* record);

  void DecodeRefusal(const EventView& view, Record* record);

  enum Shape {
    kPlain,
    kFile,
    kTwoFiles,
    kNet,
    kCred,
    kKernel,
    kModule,
    kPeer,
    kMemory,
    kNotice,
    kShapes
  };
  Shape ShapeOf(const EventView& view) const;

  std::array<Record, kShapes> records_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_DECODE_H_
