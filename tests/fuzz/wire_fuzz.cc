// Frames from a hostile peer: cutting, bounds, inflating; receipts and notes inside them.
#include <cstddef>
#include <cstdint>

#include "agent/shipper/receipts.h"
#include "proto/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn;
  static const ledger::VerifierKey* key =
      new ledger::VerifierKey{"c", ledger::SignatureType::kCosignature, std::string(32, 'k')};
  wire::FrameParser parser;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t half = size / 2;
  for (const absl::string_view part : {bytes.substr(0, half), bytes.substr(half)}) {
    parser.Add(part);
    wire::Frame frame;
    for (;;) {
      const absl::StatusOr<bool> got = parser.Next(&frame);
      if (!got.ok() || !*got) break;
      if (frame.has_append() && frame.append().inflated() != 0) {
        (void)wire::InflateAppend(frame.append()).status();
      }
      if (frame.has_receipt()) {
        (void)shipper::CheckReceipt("o\n1\nAAAA\n\n", frame.receipt().cosignature(), *key).status();
      }
      if (frame.has_welcome()) {
        (void)shipper::CheckReceiptNote(frame.welcome().checkpoint(), *key, *key).status();
      }
    }
  }
  return 0;
}
