#include "ledger/record_encoder.h"

#include <cstring>

#include "ledger/wire.h"

namespace cairn::ledger {
namespace {

// All scalars of Record and File, with tags and lengths, at their longest.
constexpr size_t kScalarBytes = 320;
// The same of a file as they usually are.
constexpr size_t kTypicalScalars = 24;

// Whether only the fields are set that Hot writes. Bits, not branches.
bool IsHot(const Record& r) {
  const bool cold = r.has_target() | r.has_net() | r.has_cred() | r.has_peer() | r.has_memory() |
                    r.has_kernel() | r.has_audit() | r.has_agent() | r.has_epoch_open() |
                    r.has_epoch_close() | r.has_policy() | r.has_loss() | r.has_recovery() |
                    r.has_receipt() | r.has_heartbeat() | r.has_notice() | r.has_retention() |
                    r.has_key_rotated() | r.has_limit() | (r.redactions_size() != 0);
  return !cold;
}

// Fields that few events have stand behind one test for all of them.
uint8_t* EncodeRareFile(const File& f, uint8_t* to) {
  to = PutVarint(File::kUidFieldNumber, f.uid(), to);
  to = PutVarint(File::kGidFieldNumber, f.gid(), to);
  to = PutBytes(File::kBaseFieldNumber, f.base(), to);
  to = PutVarint(File::kBytesReadFieldNumber, f.bytes_read(), to);
  to = PutVarint(File::kBytesWrittenFieldNumber, f.bytes_written(), to);
  to = PutVarint(File::kSizeFieldNumber, f.size(), to);
  return PutBytes(File::kNameFieldNumber, f.name(), to);
}

uint8_t* EncodeFile(const File& f, uint8_t* to) {
  to = PutBytes(File::kPathFieldNumber, f.path(), to);
  to = PutVarint(File::kPathLengthFieldNumber, f.path_length(), to);
  to = PutVarint(File::kSourceFieldNumber, static_cast<uint64_t>(f.source()), to);
  to = PutVarint(File::kPartialFieldNumber, f.partial() ? 1 : 0, to);
  to = PutVarint(File::kDeviceFieldNumber, f.device(), to);
  to = PutVarint(File::kInodeFieldNumber, f.inode(), to);
  to = PutVarint(File::kMountNsFieldNumber, f.mount_ns(), to);
  to = PutVarint(File::kAccessFieldNumber, f.access(), to);
  to = PutVarint(File::kModeFieldNumber, f.mode(), to);
  to = PutVarint(File::kFlagsFieldNumber, f.flags(), to);
  to = PutVarint(File::kFdFieldNumber, static_cast<uint64_t>(int64_t{f.fd()}), to);
  const uint64_t rare = f.uid() | f.gid() | f.base().size() | f.bytes_read() | f.bytes_written() |
                        f.size() | f.name().size();
  return rare == 0 ? to : EncodeRareFile(f, to);
}

uint8_t* EncodeRare(const Record& r, uint8_t* to) {
  to = PutVarint(Record::kViaFieldNumber, static_cast<uint64_t>(r.via()), to);
  to = PutVarint(Record::kCompatFieldNumber, r.compat() ? 1 : 0, to);
  to = PutVarint(Record::kSeverityFieldNumber, static_cast<uint64_t>(r.severity()), to);
  return PutVarint(Record::kWallAdjustNsFieldNumber, ZigZag(r.wall_adjust_ns()), to);
}

uint8_t* EncodeHot(const Record& r, size_t text_bytes, uint8_t* to) {
  to = PutVarint(Record::kTypeFieldNumber, static_cast<uint64_t>(r.type()), to);
  if (r.has_ret()) to = PutField(Record::kRetFieldNumber, ZigZag(r.ret()), to);
  to = PutVarint(Record::kOutcomeFieldNumber, static_cast<uint64_t>(r.outcome()), to);
  to = PutVarint(Record::kSourceFieldNumber, static_cast<uint64_t>(r.source()), to);
  to = PutVarint(Record::kCpuFieldNumber, r.cpu(), to);
  to = PutVarint(Record::kTidFieldNumber, r.tid(), to);
  const uint64_t rare = static_cast<uint64_t>(r.via()) | (r.compat() ? 1 : 0) |
                        static_cast<uint64_t>(r.severity()) |
                        static_cast<uint64_t>(r.wall_adjust_ns());
  if (rare != 0) to = EncodeRare(r, to);
  if (r.has_file()) {
    const LengthMark mark = BeginLength(Record::kFileFieldNumber, text_bytes + kTypicalScalars, to);
    to = EndLength(mark, EncodeFile(r.file(), mark.content));
  }
  to = PutVarint(Record::kFlagsFieldNumber, r.flags(), to);
  if (r.has_exit_code()) {
    to = PutField(Record::kExitCodeFieldNumber, static_cast<uint64_t>(int64_t{r.exit_code()}), to);
  }
  return PutVarint(Record::kCountFieldNumber, r.count(), to);
}

}  // namespace

EncodePlan PlanEncoding(const Record& record) {
  if (!IsHot(record)) return {record.ByteSizeLong(), false};
  if (!record.has_file()) return {kScalarBytes, true};
  const File& file = record.file();
  return {kScalarBytes + file.path().size() + file.base().size() + file.name().size(), true};
}

uint8_t* EncodeRecord(const Record& record, const EncodePlan& plan, uint8_t* to) {
  return plan.by_hand ? EncodeHot(record, plan.bound - kScalarBytes, to)
                      : record.SerializeWithCachedSizesToArray(to);
}

}  // namespace cairn::ledger
