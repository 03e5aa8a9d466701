#include "ledger/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace cairn::ledger {
namespace {

std::string Checksums(uint32_t have, uint32_t want) {
  return absl::StrFormat("checksum %08x, want %08x", have, want);
}

bool KnownType(uint8_t type) {
  return type >= static_cast<uint8_t>(FrameType::kBlock) &&
         type <= static_cast<uint8_t>(FrameType::kRedacted);
}

void PutHash(std::string* out, const Hash& hash) { absl::StrAppend(out, View(hash)); }

Hash GetHash(const char* bytes) {
  Hash hash;
  std::memcpy(hash.data(), bytes, hash.size());
  return hash;
}

// The part of a seal that stands before the signature.
std::string SealFields(const Seal& seal) {
  std::string out;
  PutU64(&out, seal.size);
  PutHash(&out, seal.chain);
  PutHash(&out, seal.header_hash);
  PutU64(&out, seal.blocks);
  PutU64(&out, seal.records);
  return out;
}

bool GoodHeader(const SegmentHeader& header, std::string* cause) {
  const bool hashes = header.chain().size() == kHashBytes &&
                      std::all_of(header.frontier().begin(), header.frontier().end(),
                                  [](const std::string& h) { return h.size() == kHashBytes; });
  if (!hashes || header.frontier_size() != std::popcount(header.first_block())) {
    *cause = "the header's chain value or frontier does not fit its first block";
    return false;
  }
  if (header.flags() != 0) {
    *cause = absl::StrCat("header flags ", header.flags(), " are of a newer format");
    return false;
  }
  if (header.origin().empty() || absl::StrContains(header.origin(), '\n')) {
    *cause = "the header's origin is not one line";
    return false;
  }
  return true;
}

}  // namespace

std::string SegmentName(uint64_t epoch) {
  return absl::StrFormat("%0*d%s", kSegmentDigits, epoch, kSegmentSuffix);
}

bool ParseSegmentName(absl::string_view name, uint64_t* epoch) {
  if (!absl::ConsumeSuffix(&name, kSegmentSuffix) || name.size() != kSegmentDigits) return false;
  return std::all_of(name.begin(), name.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(name, epoch);
}

void FinishFrame(FrameType type, char* frame, size_t size) {
  absl::big_endian::Store32(frame, static_cast<uint32_t>(size - kFramePrefixBytes));
  frame[4] = static_cast<char>(type);
  const absl::string_view all(frame, size);
  const uint32_t crc = ExtendCrc32c(Crc32c(all.substr(0, 5)), all.substr(kFramePrefixBytes));
  absl::big_endian::Store32(frame + 5, crc);
}

std::string MakeFrame(FrameType type, absl::string_view body) {
  std::string frame(kFramePrefixBytes, '\0');
  absl::StrAppend(&frame, body);
  FinishFrame(type, frame.data(), frame.size());
  return frame;
}

FrameEnd ParseFrame(absl::string_view bytes, FrameView* frame, std::string* cause) {
  if (bytes.size() < kFramePrefixBytes) {
    frame->size = kFramePrefixBytes;
    return FrameEnd::kNeedMore;
  }
  const uint32_t length = GetU32(bytes.data());
  const uint8_t type = static_cast<uint8_t>(bytes[4]);
  if (length > kMaxFrameBody) {
    *cause = absl::StrCat("frame length ", length, " is over ", kMaxFrameBody);
    return FrameEnd::kBad;
  }
  if (!KnownType(type)) {
    *cause = absl::StrCat("frame type ", type, " is unknown");
    return FrameEnd::kBad;
  }
  frame->size = kFramePrefixBytes + length;
  if (bytes.size() < frame->size) return FrameEnd::kNeedMore;
  frame->type = static_cast<FrameType>(type);
  frame->body = bytes.substr(kFramePrefixBytes, length);
  const uint32_t want = GetU32(bytes.data() + 5);
  const uint32_t have = ExtendCrc32c(Crc32c(bytes.substr(0, 5)), frame->body);
  if (have != want) {
    *cause = Checksums(have, want);
    return FrameEnd::kBad;
  }
  return FrameEnd::kFrame;
}

bool PeekFrame(absl::string_view bytes, FrameView* frame) {
  if (bytes.size() < kFramePrefixBytes) return false;
  const uint32_t length = GetU32(bytes.data());
  const uint8_t type = static_cast<uint8_t>(bytes[4]);
  if (length > bytes.size() - kFramePrefixBytes || !KnownType(type)) return false;
  frame->type = static_cast<FrameType>(type);
  frame->body = bytes.substr(kFramePrefixBytes, length);
  frame->size = kFramePrefixBytes + length;
  return true;
}

std::string MakeHeader(const SegmentHeader& header) {
  const std::string body = header.SerializeAsString();
  std::string out(kMagic, kMagicBytes);
  PutU32(&out, static_cast<uint32_t>(body.size()));
  PutU32(&out, ExtendCrc32c(Crc32c(absl::string_view(out).substr(kMagicBytes, 4)), body));
  return out + body;
}

FrameEnd ParseHeader(absl::string_view bytes, SegmentHeader* header, size_t* size,
                     std::string* cause) {
  const size_t magic = std::min(bytes.size(), kMagicBytes);
  if (bytes.substr(0, magic) != absl::string_view(kMagic, magic)) {
    *cause = "no segment magic: not a cairn segment, or of a newer format";
    return FrameEnd::kBad;
  }
  *size = kHeaderPrefixBytes;
  if (bytes.size() < *size) return FrameEnd::kNeedMore;
  const uint32_t length = GetU32(bytes.data() + kMagicBytes);
  if (length > kMaxHeaderBytes) {
    *cause = absl::StrCat("header length ", length, " is over ", kMaxHeaderBytes);
    return FrameEnd::kBad;
  }
  *size = kHeaderPrefixBytes + length;
  if (bytes.size() < *size) return FrameEnd::kNeedMore;
  const absl::string_view body = bytes.substr(kHeaderPrefixBytes, length);
  const uint32_t want = GetU32(bytes.data() + kMagicBytes + 4);
  const uint32_t have = ExtendCrc32c(Crc32c(bytes.substr(kMagicBytes, 4)), body);
  if (have != want) {
    *cause = absl::StrCat("header ", Checksums(have, want));
    return FrameEnd::kBad;
  }
  if (!header->ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    *cause = "the header is not a SegmentHeader";
    return FrameEnd::kBad;
  }
  return GoodHeader(*header, cause) ? FrameEnd::kFrame : FrameEnd::kBad;
}

std::string MakeCommit(const Commit& commit) {
  std::string body;
  PutU64(&body, commit.size);
  PutHash(&body, commit.chain);
  PutU64(&body, commit.durable_offset);
  return MakeFrame(FrameType::kCommit, body);
}

absl::StatusOr<Commit> ParseCommit(absl::string_view body) {
  if (body.size() != kCommitBytes) {
    return absl::DataLossError(
        absl::StrCat("COMMIT of ", body.size(), " bytes, not ", kCommitBytes));
  }
  Commit commit;
  commit.size = GetU64(body.data());
  commit.chain = GetHash(body.data() + 8);
  commit.durable_offset = GetU64(body.data() + 40);
  return commit;
}

std::string MakeSeal(const Seal& seal) {
  return MakeFrame(FrameType::kSeal, absl::StrCat(SealFields(seal), seal.signature));
}

absl::StatusOr<Seal> ParseSeal(absl::string_view body) {
  if (body.size() != kSealBytes) {
    return absl::DataLossError(absl::StrCat("SEAL of ", body.size(), " bytes, not ", kSealBytes));
  }
  Seal seal;
  seal.size = GetU64(body.data());
  seal.chain = GetHash(body.data() + 8);
  seal.header_hash = GetHash(body.data() + 40);
  seal.blocks = GetU64(body.data() + 72);
  seal.records = GetU64(body.data() + 80);
  seal.signature = std::string(body.substr(88));
  return seal;
}

std::string SealedText(const Seal& seal, absl::string_view origin, uint64_t epoch) {
  std::string text = absl::StrCat("cairn/seal/v1\n", origin, "\n");
  PutU64(&text, epoch);
  return text + SealFields(seal);
}

std::string SealedKeyInfo(absl::string_view origin, uint64_t epoch, uint64_t block,
                          absl::string_view epoch_key) {
  std::string info = absl::StrCat(origin, absl::string_view("\0", 1));
  PutU64(&info, epoch);
  PutU64(&info, block);
  return info + std::string(epoch_key);
}

std::string MakeRedacted(const RedactedBlock& block) {
  std::string body;
  PutHash(&body, block.leaf);
  body.append(reinterpret_cast<const char*>(block.tag.data()), block.tag.size());
  PutU64(&body, block.first_sequence);
  PutU32(&body, block.count);
  return MakeFrame(FrameType::kRedacted, body);
}

absl::StatusOr<RedactedBlock> ParseRedacted(absl::string_view body) {
  if (body.size() != kRedactedBytes) {
    return absl::DataLossError(
        absl::StrCat("REDACTED of ", body.size(), " bytes, not ", kRedactedBytes));
  }
  RedactedBlock block;
  block.leaf = GetHash(body.data());
  std::memcpy(block.tag.data(), body.data() + kHashBytes, kTagBytes);
  block.first_sequence = GetU64(body.data() + kHashBytes + kTagBytes);
  block.count = GetU32(body.data() + kHashBytes + kTagBytes + 8);
  return block;
}

std::string FormatCheckpointFile(const CheckpointFile& file) {
  return absl::StrCat("segment ", file.segment, "\noffset ", file.offset, "\n\n", file.note);
}

absl::StatusOr<CheckpointFile> ParseCheckpointFile(absl::string_view text) {
  const auto bad = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint file: ", what));
  };
  CheckpointFile file;
  const size_t split = text.find("\n\n");
  if (split == absl::string_view::npos) return bad("no blank line before the note");
  absl::string_view head = text.substr(0, split);
  file.note = std::string(text.substr(split + 2));
  const size_t line = head.find('\n');
  if (line == absl::string_view::npos) return bad("not a segment and an offset line");
  absl::string_view segment = head.substr(0, line);
  absl::string_view offset = head.substr(line + 1);
  uint64_t epoch = 0;
  if (!absl::ConsumePrefix(&segment, "segment ") || !ParseSegmentName(segment, &epoch)) {
    return bad("the first line is not 'segment NNNNNNNNNN.seg'");
  }
  if (!absl::ConsumePrefix(&offset, "offset ") || !absl::SimpleAtoi(offset, &file.offset)) {
    return bad("the second line is not 'offset BYTES'");
  }
  file.segment = std::string(segment);
  return file;
}

}  // namespace cairn::ledger
