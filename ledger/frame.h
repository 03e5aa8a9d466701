// Frames: how blocks, commits, checkpoints and seals stand in a segment file.
// proto/FORMAT.md §2 (header), §5 (frames), §7 (seal).
#ifndef CAIRN_LEDGER_FRAME_H_
#define CAIRN_LEDGER_FRAME_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/format.h"
#include "ledger/hash.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// "0000000017.seg".
std::string SegmentName(uint64_t epoch);
// False when `name` is not a segment's.
bool ParseSegmentName(absl::string_view name, uint64_t* epoch);

// Puts length, type and CRC into frame[0, kFramePrefixBytes), for the body behind them.
void FinishFrame(FrameType type, char* frame, size_t size);
// A whole frame.
std::string MakeFrame(FrameType type, absl::string_view body);

// Parses as much as one frame from the start of `bytes`.
enum class FrameEnd { kFrame, kNeedMore, kBad };
struct FrameView {
  FrameType type;
  absl::string_view body;  // into `bytes`
  size_t size = 0;         // prefix and body
};
// kNeedMore: `frame->size` is how many bytes are needed, as far as can be told.
// kBad: `cause` says why ("checksum 1f0c…, want 77ab…", "length 4294967295 …", "type 9 …").
FrameEnd ParseFrame(absl::string_view bytes, FrameView* frame, std::string* cause);
// Whether a whole frame stands there, by its length and type alone: its checksum is not looked at.
bool PeekFrame(absl::string_view bytes, FrameView* frame);

// Segment header: bytes as stored, from the magic to the end of the protobuf message.
std::string MakeHeader(const SegmentHeader& header);
// As ParseFrame; `size` receives the stored length. Checks magic, CRC, hash lengths, bounds.
FrameEnd ParseHeader(absl::string_view bytes, SegmentHeader* header, size_t* size,
                     std::string* cause);

struct Commit {
  uint64_t size = 0;
  Hash chain{};
  uint64_t durable_offset = 0;
};
std::string MakeCommit(const Commit& commit);
absl::StatusOr<Commit> ParseCommit(absl::string_view body);

struct Seal {
  uint64_t size = 0;  // blocks in the log so far
  Hash chain{};
  Hash header_hash{};
  uint64_t blocks = 0;  // in this epoch, without carried ones
  uint64_t records = 0;
  std::string signature;  // 64 bytes, by the epoch key over SealedText
};
std::string MakeSeal(const Seal& seal);
absl::StatusOr<Seal> ParseSeal(absl::string_view body);
// What the epoch key signs: "cairn/seal/v1\n" ‖ origin ‖ "\n" ‖ u64(epoch) ‖ the seal's other
// fields.
std::string SealedText(const Seal& seal, absl::string_view origin, uint64_t epoch);

// The info of the HPKE that seals K_s: origin ‖ 0 ‖ u64(epoch) ‖ u64(block) ‖ epoch key (§4).
std::string SealedKeyInfo(absl::string_view origin, uint64_t epoch, uint64_t block,
                          absl::string_view epoch_key);

// What an exported copy holds in a block's place.
struct RedactedBlock {
  Hash leaf{};
  Tag tag{};
  uint64_t first_sequence = 0;
  uint32_t count = 0;
};
std::string MakeRedacted(const RedactedBlock& block);
absl::StatusOr<RedactedBlock> ParseRedacted(absl::string_view body);

// The file `checkpoint`: the newest note and how far the log is durable.
struct CheckpointFile {
  std::string segment;
  uint64_t offset = 0;  // bytes of `segment` that may be shipped
  std::string note;
};
std::string FormatCheckpointFile(const CheckpointFile& file);
absl::StatusOr<CheckpointFile> ParseCheckpointFile(absl::string_view text);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_FRAME_H_
