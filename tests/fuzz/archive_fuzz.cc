// What an S3 service answers, and the pins that lie there.
#include <cstddef>
#include <cstdint>

#include "archive/pin.h"
#include "archive/s3_listing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::archive;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ParseVersions(text).status();
  (void)ParseKeys(text).status();
  const absl::StatusOr<Pin> pin = Pin::Parse(text);
  // What was read is written as it was.
  if (pin.ok() && Pin::Parse(pin->ToText())->ToText() != pin->ToText()) __builtin_trap();
  return 0;
}
