// A segment file against everything that reads one: the verifier (fed whole and in two parts,
// which must agree), the block parser, whose head must be what the head's parser sees, and the
// exporter's frames. Checksums are repaired after each mutation: without that no input would get
// behind the first.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "ledger/block.h"
#include "ledger/frame.h"
#include "ledger/stream_verifier.h"

namespace {

using cairn::ledger::StreamOptions;
using cairn::ledger::StreamVerifier;

void CheckBlock(absl::string_view stored) {
  cairn::Block block;
  if (!cairn::ledger::ParseBlock(stored, &block).ok()) return;
  cairn::ledger::BlockHead head;
  if (!cairn::ledger::ParseBlockHead(stored, &head).ok()) std::abort();
  if (head.first_sequence != block.first_sequence() ||
      head.record_count != static_cast<uint64_t>(block.records_size())) {
    std::abort();
  }
}

void Store(uint8_t* at, uint32_t value) {
  std::string bytes;
  cairn::PutU32(&bytes, value);
  std::memcpy(at, bytes.data(), 4);
}

// Lengths that end within the input get their checksum.
void RepairChecksums(uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  size_t at = cairn::ledger::kHeaderPrefixBytes;
  if (size < at) return;
  std::memcpy(data, cairn::ledger::kMagic, cairn::ledger::kMagicBytes);
  const size_t header = cairn::GetU32(bytes.data() + cairn::ledger::kMagicBytes);
  if (header > size - at) return;
  Store(data + 12,
        cairn::ExtendCrc32c(cairn::Crc32c(bytes.substr(8, 4)), bytes.substr(16, header)));
  for (at += header; size - at >= cairn::ledger::kFramePrefixBytes;) {
    const size_t length = cairn::GetU32(bytes.data() + at);
    const size_t body = at + cairn::ledger::kFramePrefixBytes;
    if (length > size - body) return;
    Store(data + at + 5,
          cairn::ExtendCrc32c(cairn::Crc32c(bytes.substr(at, 5)), bytes.substr(body, length)));
    at = body + length;
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int) {
  size = LLVMFuzzerMutate(data, size, max_size);
  RepairChecksums(data, size);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  StreamOptions options;
  options.allow_redacted = true;
  options.on_block = [](uint64_t, absl::string_view, absl::string_view stored) {
    CheckBlock(stored);
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
  CheckBlock(bytes);
  return 0;
}
