#include "ledger/block.h"

#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/block_dictionary.h"
#include "ledger/format.h"
#include "ledger/wire.h"

namespace cairn::ledger {
namespace {

// Room kept for what stands before fields 13 to 15, and for a bound on compression's growth.
constexpr size_t kHeadBytes = 512;
constexpr size_t kMaxContent = kMaxBlockBytes - kHeadBytes;
// Below this many bytes compression gains nothing.
constexpr size_t kCompressFrom = 48;
// zstd's fast levels: on kernel events they halve level 1's time for a few per cent of size.
constexpr int kCompressionLevel = -1;
// Small blocks, a thousand a second at most, hold little twice: they have the dictionary.
constexpr size_t kSmallBytes = 4096;
constexpr int kWindowLogMax = 20;  // of a frame that is read: kMaxInflatedBytes

// Grows `out` by `size` bytes and returns where they start.
uint8_t* Grow(std::string* out, size_t size) {
  const size_t at = out->size();
  out->resize(at + size);
  return reinterpret_cast<uint8_t*>(out->data()) + at;
}

void AppendMessage(int field, const google::protobuf::MessageLite& message, size_t size,
                   std::string* out) {
  uint8_t prefix[16];
  const uint8_t* end = PutLength(field, size, prefix);
  out->append(reinterpret_cast<const char*>(prefix), static_cast<size_t>(end - prefix));
  message.SerializeWithCachedSizesToArray(Grow(out, size));
}

void CopyIdentity(const Process& from, Process* to) {
  to->set_pid(from.pid());
  to->set_start_ns(from.start_ns());
  to->set_generation(from.generation());
  to->set_exe(from.exe());
  to->set_comm(from.comm());
  to->set_uid(from.uid());
  to->set_euid(from.euid());
  to->set_auid(from.auid());
  to->set_unit(from.unit());
  to->set_container_id(from.container_id());
}

// Builders that follow each other (a new incarnation) see the same subjects: none may take
// another's mark for its own.
uint64_t FirstSerial() {
  static std::atomic<uint64_t> builders{0};
  return builders++ << 40 | 1;
}

absl::Status NotABlock(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("not a block: ", why));
}

// What a reader of the head sees must be what a reader of the whole block sees.
bool SameHead(const BlockHead& head, const Block& block) {
  return head.first_sequence == block.first_sequence() &&
         head.record_count == block.record_count() && head.first_time_ns == block.first_time_ns() &&
         head.last_time_ns == block.last_time_ns() &&
         head.wall_offset_ns == block.wall_offset_ns() && head.flags == block.flags() &&
         head.policy_generation == block.policy_generation();
}

// `frame` into exactly the bytes of `out`: what proto/FORMAT.md §3 says a frame is, so that every
// reader of zstd reads the same or none does.
bool Inflate(absl::string_view frame, std::string* out) {
  thread_local const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> zstd(ZSTD_createDCtx(),
                                                                             ZSTD_freeDCtx);
  constexpr absl::string_view kMagic("\x28\xb5\x2f\xfd", 4);
  constexpr char kPlain = 0, kByDictionary = 2;  // RFC 8878 §3.1.1.1.1, the frame's descriptor
  if (frame.size() < 6 || frame.substr(0, 4) != kMagic) return false;
  if (frame[4] != kPlain && frame[4] != kByDictionary) return false;
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) return false;
  const ZSTD_DDict* dictionary = nullptr;
  if (frame[4] == kByDictionary) {
    if (ZSTD_getDictID_fromFrame(frame.data(), frame.size()) != kBlockDictionaryId) return false;
    dictionary = BlockInflationDictionary();
  }
  // By the streaming interface, which holds a frame to its window.
  ZSTD_DCtx_reset(zstd.get(), ZSTD_reset_session_only);
  ZSTD_DCtx_refDDict(zstd.get(), dictionary);
  ZSTD_DCtx_setParameter(zstd.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  ZSTD_inBuffer in = {frame.data(), frame.size(), 0};
  ZSTD_outBuffer to = {out->data(), out->size(), 0};
  return ZSTD_decompressStream(zstd.get(), &to, &in) == 0 && to.pos == out->size();
}

// Nothing but processes, rules and records?
bool HoldsRecordsAlone(absl::string_view inflated) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(inflated.data());
  const uint8_t* const end = at + inflated.size();
  while (at < end) {
    uint64_t tag = 0, length = 0;
    if (!GetVarint(&at, end, &tag) || !GetVarint(&at, end, &length)) return false;
    const bool known = (tag & 7) == 2 && tag >> 3 >= Block::kProcessesFieldNumber &&
                       tag >> 3 <= Block::kRecordsFieldNumber;
    if (!known || length > static_cast<uint64_t>(end - at)) return false;
    at += length;
  }
  return true;
}

}  // namespace

BlockBuilder::BlockBuilder(bool compress)
    : compress_(compress),
      block_(FirstSerial()),
      segment_(block_),
      records_(std::make_unique<uint8_t[]>(kMaxBlockBytes)),
      zstd_(ZSTD_createCCtx()),
      small_zstd_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_contentSizeFlag, 0);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_compressionLevel, kCompressionLevel);
  ZSTD_CCtx_setParameter(small_zstd_, ZSTD_c_contentSizeFlag, 0);
  ZSTD_CCtx_refCDict(small_zstd_, BlockCompressionDictionary());
  processes_.reserve(kMaxBlockBytes);
}

BlockBuilder::~BlockBuilder() {
  ZSTD_freeCCtx(zstd_);
  ZSTD_freeCCtx(small_zstd_);
}

absl::Status BlockBuilder::Add(const Entry& entry) {
  const EncodePlan plan = PlanEncoding(*entry.record);
  const size_t record_size = plan.bound + 64 + 4 * entry.rules.size();
  size_t process_size = 0;
  if (entry.subject != nullptr && entry.subject->block != block_) {
    process_size = entry.subject->process.ByteSizeLong() + 16;
  }
  size_t rule_size = 0;
  for (const std::string* rule : entry.rules) rule_size += rule->size() + 8;
  const size_t need = record_size + process_size + rule_size;
  if (need > kMaxContent) {
    return absl::InvalidArgumentError(
        absl::StrCat("record of ", need, " bytes is over the block limit of ", kMaxContent));
  }
  if (bytes() + need > kMaxContent) return absl::ResourceExhaustedError("block is full");
  if (count_ == 0) {
    first_time_ns_ = last_time_ns_ = entry.time_ns;
    flags_ = kBlockReceiptsOnly;
  }
  last_time_ns_ = std::max(last_time_ns_, entry.time_ns);
  if (entry.urgent) flags_ |= kBlockUrgent;
  if (entry.record->type() != AGENT_RECEIPT) flags_ &= ~kBlockReceiptsOnly;
  if (process_size > 0) AppendProcess(entry.subject);
  AppendRecord(entry, plan);
  ++count_;
  return absl::OkStatus();
}

void BlockBuilder::AppendProcess(Subject* subject) {
  const Process* process = &subject->process;
  if (subject->segment == segment_) {
    CopyIdentity(subject->process, &identity_);
    process = &identity_;
  }
  AppendMessage(Block::kProcessesFieldNumber, *process, process->ByteSizeLong(), &processes_);
  subject->segment = segment_;
  subject->block = block_;
  subject->ref = ++process_count_;
}

uint32_t BlockBuilder::RuleRef(const std::string* rule) {
  for (size_t i = 0; i < rule_ids_.size(); ++i) {
    if (rule_ids_[i] == rule) return static_cast<uint32_t>(i + 1);
  }
  return AddRule(rule);
}

uint32_t BlockBuilder::AddRule(const std::string* rule) {
  rule_ids_.push_back(rule);
  uint8_t prefix[16];
  const uint8_t* end = PutLength(Block::kRulesFieldNumber, rule->size(), prefix);
  rules_.append(reinterpret_cast<const char*>(prefix), static_cast<size_t>(end - prefix));
  rules_.append(*rule);
  return static_cast<uint32_t>(rule_ids_.size());
}

// records { time_delta_ns process_ref rule_refs… the rest }
void BlockBuilder::AppendRecord(const Entry& entry, const EncodePlan& plan) {
  // Neighbours are alike: the last record's length is the best guess.
  const LengthMark mark =
      BeginLength(Block::kRecordsFieldNumber, last_record_bytes_, records_.get() + records_size_);
  uint8_t* to = mark.content;
  const int64_t delta = static_cast<int64_t>(entry.time_ns - first_time_ns_);
  to = PutVarint(Record::kTimeDeltaNsFieldNumber, ZigZag(delta), to);
  to = PutVarint(Record::kProcessRefFieldNumber, entry.subject ? entry.subject->ref : 0, to);
  if (!entry.rules.empty()) {
    const LengthMark refs = BeginLength(Record::kRuleRefsFieldNumber, entry.rules.size(), to);
    to = refs.content;
    for (const std::string* rule : entry.rules) to = PutRawVarint(RuleRef(rule), to);
    to = EndLength(refs, to);
  }
  to = EncodeRecord(*entry.record, plan, to);
  last_record_bytes_ = static_cast<size_t>(to - mark.content);
  to = EndLength(mark, to);
  records_size_ = static_cast<size_t>(to - records_.get());
}

void BlockBuilder::Finish(uint64_t first_sequence, int64_t wall_offset_ns, std::string* out) {
  uint8_t head[96];
  uint8_t* end = head;
  end = PutVarint(Block::kFirstSequenceFieldNumber, first_sequence, end);
  end = PutVarint(Block::kRecordCountFieldNumber, count_, end);
  end = PutVarint(Block::kFirstTimeNsFieldNumber, first_time_ns_, end);
  end = PutVarint(Block::kLastTimeNsFieldNumber, last_time_ns_, end);
  end = PutVarint(Block::kWallOffsetNsFieldNumber, ZigZag(wall_offset_ns), end);
  end = PutVarint(Block::kFlagsFieldNumber, flags_, end);
  end = PutVarint(Block::kPolicyGenerationFieldNumber, policy_generation_, end);
  out->append(reinterpret_cast<const char*>(head), static_cast<size_t>(end - head));
  if (compress_ && bytes() >= kCompressFrom) {
    Compress(out);
  } else {
    out->append(processes_).append(rules_).append(records().data(), records_size_);
  }
  processes_.clear();
  rules_.clear();
  records_size_ = 0;
  rule_ids_.clear();
  process_count_ = count_ = 0;
  ++block_;
}

// zstd { processes rules records } inflated_bytes, or the fields themselves where that is
// no larger.
void BlockBuilder::Compress(std::string* out) {
  const size_t plain = bytes();
  const size_t at = out->size();
  processes_.append(rules_).append(records().data(), records_size_);
  const size_t bound = ZSTD_compressBound(plain);
  out->resize(at + 8 + bound);
  const size_t size =
      ZSTD_compress2(plain < kSmallBytes ? small_zstd_ : zstd_, out->data() + at + 8, bound,
                     processes_.data(), processes_.size());
  if (ZSTD_isError(size) || size + 8 >= plain) {
    out->resize(at);
    out->append(processes_);
    return;
  }
  uint8_t prefix[8];
  const uint8_t* end = PutLength(Block::kZstdFieldNumber, size, prefix);
  const size_t prefix_size = static_cast<size_t>(end - prefix);
  std::copy_n(prefix, prefix_size, out->data() + at);
  std::copy_n(out->data() + at + 8, size, out->data() + at + prefix_size);
  uint8_t tail[16];
  const uint8_t* tail_end = PutVarint(Block::kInflatedBytesFieldNumber, plain, tail);
  out->resize(at + prefix_size + size);
  out->append(reinterpret_cast<const char*>(tail), static_cast<size_t>(tail_end - tail));
}

absl::Status ParseBlockHead(absl::string_view stored, BlockHead* head) {
  uint64_t fields[Block::kPolicyGenerationFieldNumber + 1] = {};
  const uint8_t* at = reinterpret_cast<const uint8_t*>(stored.data());
  const uint8_t* const end = at + stored.size();
  uint64_t last = 0;
  while (at < end) {
    uint64_t tag = 0;
    if (!GetVarint(&at, end, &tag)) return NotABlock("malformed protobuf");
    const uint64_t field = tag >> 3;
    if (field > Block::kPolicyGenerationFieldNumber) break;
    // All of them are varints (wire type 0).
    if (field <= last || (tag & 7) != 0) return NotABlock("its fields are out of order");
    if (!GetVarint(&at, end, &fields[field])) return NotABlock("malformed protobuf");
    last = field;
  }
  if (fields[Block::kRecordCountFieldNumber] > kMaxInflatedBytes) {
    return NotABlock("more records than bytes");
  }
  head->first_sequence = fields[Block::kFirstSequenceFieldNumber];
  head->record_count = fields[Block::kRecordCountFieldNumber];
  head->first_time_ns = fields[Block::kFirstTimeNsFieldNumber];
  head->last_time_ns = fields[Block::kLastTimeNsFieldNumber];
  head->wall_offset_ns = UnZigZag(fields[Block::kWallOffsetNsFieldNumber]);
  head->flags = fields[Block::kFlagsFieldNumber];
  head->policy_generation = fields[Block::kPolicyGenerationFieldNumber];
  return absl::OkStatus();
}

absl::Status ParseBlock(absl::string_view stored, Block* block) {
  if (stored.size() > kMaxBlockBytes) return NotABlock("over 65535 bytes");
  BlockHead head;
  RETURN_IF_ERROR(ParseBlockHead(stored, &head));
  if (!block->ParseFromArray(stored.data(), static_cast<int>(stored.size()))) {
    return NotABlock("malformed protobuf");
  }
  if (!block->zstd().empty()) {
    if (block->inflated_bytes() > kMaxInflatedBytes) return NotABlock("inflates beyond 1 MiB");
    if (block->processes_size() + block->rules_size() + block->records_size() > 0) {
      return NotABlock("records beside zstd");
    }
    std::string inflated(block->inflated_bytes(), '\0');
    if (!Inflate(block->zstd(), &inflated)) return NotABlock("malformed zstd");
    block->clear_zstd();
    if (!HoldsRecordsAlone(inflated) || !block->MergeFromString(inflated)) {
      return NotABlock("malformed protobuf within zstd");
    }
  }
  if (block->records().empty()) return NotABlock("no records");
  if (!SameHead(head, *block)) return NotABlock("its head is stated twice");
  if (static_cast<uint32_t>(block->records_size()) != block->record_count()) {
    return NotABlock(
        absl::StrCat("states ", block->record_count(), " records, holds ", block->records_size()));
  }
  for (const Record& record : block->records()) {
    if (record.process_ref() > static_cast<uint32_t>(block->processes_size())) {
      return NotABlock("a record refers to a process that is not there");
    }
    for (const uint32_t ref : record.rule_refs()) {
      if (ref == 0 || ref > static_cast<uint32_t>(block->rules_size())) {
        return NotABlock("a record refers to a rule that is not there");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::ledger
