// A segment file against everything that reads one: the verifier (fed whole and in two parts,
// which must agree), the block parser and the record reader's frame loop.
#include <cstdint>
#include <cstdlib>

#include "ledger/block.h"
#include "ledger/frame.h"
#include "ledger/stream_verifier.h"

using cairn::ledger::StreamOptions;
using cairn::ledger::StreamVerifier;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  StreamOptions options;
  options.allow_redacted = true;
  options.on_block = [](uint64_t, absl::string_view, absl::string_view stored) {
    cairn::Block block;
    cairn::ledger::ParseBlock(stored, &block).IgnoreError();
  };
  StreamVerifier whole(options, std::nullopt);
  whole.BeginSegment("whole").IgnoreError();
  const bool whole_ok = whole.Feed(bytes).ok() && whole.EndSegment().ok();
  StreamVerifier parts(options, std::nullopt);
  parts.BeginSegment("parts").IgnoreError();
  const size_t cut = size / 2;
  const bool parts_ok = parts.Feed(bytes.substr(0, cut)).ok() &&
                        parts.Feed(bytes.substr(cut)).ok() && parts.EndSegment().ok();
  if (whole_ok != parts_ok || whole.state().size != parts.state().size) std::abort();
  cairn::Block block;
  cairn::ledger::ParseBlock(bytes, &block).IgnoreError();
  return 0;
}
