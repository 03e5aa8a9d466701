// Index files: what parses can be searched without looking further.
#include <cstdint>
#include <cstdlib>

#include "ledger/segment_index.h"

using cairn::Secret32;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Secret32 key;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  cairn::ledger::ParseIndex(bytes, key).IgnoreError();
  // What the code would let pass, had it the right key.
  cairn::SegmentIndex index;
  if (!index.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto again = cairn::ledger::ParseIndex(cairn::ledger::FormatIndex(index, key), key);
  if (again.ok() != cairn::ledger::IsWellFormed(index)) std::abort();
  if (!again.ok()) return 0;
  cairn::ledger::Terms terms;
  terms.types.set(16);
  terms.RequirePrefix(cairn::ledger::PathKind::kObject, "/etc/x");
  for (const auto& chunk : again->chunks()) cairn::ledger::MayHold(chunk, terms);
  cairn::ledger::FindDetails(*again, {1, 2, 3});
  // Any bytes may be asked to be a segment.
  cairn::ledger::IndexBuilder builder;
  builder.Add(bytes).IgnoreError();
  return 0;
}
