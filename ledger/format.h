// The constants of proto/FORMAT.md, and nothing else.
#ifndef CAIRN_LEDGER_FORMAT_H_
#define CAIRN_LEDGER_FORMAT_H_

#include <cstddef>
#include <cstdint>

namespace cairn::ledger {

// §2 Segment file: magic ‖ u32 length ‖ u32 crc32c(length, body) ‖ SegmentHeader ‖ frames.
inline constexpr char kMagic[] = "CAIRNSG1";  // the last digit is the format's version
inline constexpr size_t kMagicBytes = 8;
inline constexpr size_t kHeaderPrefixBytes = kMagicBytes + 8;
inline constexpr size_t kMaxHeaderBytes = 16 << 10;
inline constexpr char kSegmentSuffix[] = ".seg";
inline constexpr int kSegmentDigits = 10;

// §3 Blocks.
inline constexpr size_t kMaxBlockBytes = 65535;  // R_i as stored
inline constexpr size_t kMaxInflatedBytes = 1 << 20;
inline constexpr uint32_t kBlockUrgent = 1;  // Block.flags
inline constexpr uint32_t kBlockReceiptsOnly = 2;

// §4 Hashes: the byte each hashed string begins with.
inline constexpr uint8_t kLeafByte = 0x00;
inline constexpr uint8_t kNodeByte = 0x01;
inline constexpr uint8_t kChainByte = 0x02;
inline constexpr uint8_t kOriginByte = 0x03;
inline constexpr uint8_t kKeyCommitmentByte = 0x06;
inline constexpr size_t kHashBytes = 32;
inline constexpr size_t kTagBytes = 16;

// §5 Frames: u32 length ‖ u8 type ‖ u32 crc32c(length, type, body) ‖ body.
enum class FrameType : uint8_t {
  kBlock = 1,       // T_i ‖ R_i
  kCommit = 2,      // u64 size ‖ C ‖ u64 durable offset
  kCheckpoint = 3,  // a signed note
  kSeal = 4,        // §7
  kRedacted = 5,    // L_i ‖ T_i ‖ u64 first sequence ‖ u32 count; exported copies only
};
inline constexpr size_t kFramePrefixBytes = 9;
inline constexpr size_t kMaxFrameBody = kTagBytes + kMaxBlockBytes;
inline constexpr size_t kCommitBytes = 8 + kHashBytes + 8;
inline constexpr size_t kSealBytes = 8 + kHashBytes + kHashBytes + 8 + 8 + 64;
inline constexpr size_t kRedactedBytes = kHashBytes + kTagBytes + 8 + 4;
inline constexpr size_t kMaxNoteBytes = 32 << 10;
// A CHECKPOINT is for the size of one of this many COMMITs before it.
inline constexpr size_t kCommitWindow = 64;

// §1 The directory of one incarnation.
inline constexpr char kCheckpointFile[] = "checkpoint";
inline constexpr char kKeyFile[] = "log.vkey";
inline constexpr char kRotationFile[] = "rotation";
inline constexpr char kReceiptsDir[] = "receipts";
inline constexpr char kQuarantineDir[] = "quarantine";

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_FORMAT_H_
