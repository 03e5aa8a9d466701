#include "agent/capture/audit_join.h"

namespace cairn::capture {
namespace {

// A call that made its file is file.create to one source and may be file.open to the other.
EventType Kind(EventType type) { return type == FILE_CREATE ? FILE_OPEN : type; }

}  // namespace

void AuditJoin::Note(uint64_t sequence, uint64_t time_ns, uint32_t pid, const Record& record) {
  if (!awake(time_ns) || pid == 0 || record.source() != SOURCE_EBPF) return;
  entries_[next_] = {.sequence = sequence,
                     .time_ns = time_ns,
                     .ret = record.ret(),
                     .inode = record.file().inode(),
                     .pid = pid,
                     .type = Kind(record.type()),
                     .has_ret = record.has_ret()};
  next_ = (next_ + 1) % entries_.size();
}

bool AuditJoin::Fits(const Entry& entry, uint64_t time_ns, uint32_t pid, const Record& record) {
  if (entry.pid != pid || entry.type != Kind(record.type())) return false;
  if (entry.time_ns + kTickNs < time_ns || entry.time_ns > time_ns + kLongestCallNs) return false;
  if (entry.has_ret && record.has_ret() && entry.ret != record.ret()) return false;
  const uint64_t inode = record.file().inode();
  return entry.inode == 0 || inode == 0 || entry.inode == inode;
}

std::optional<uint64_t> AuditJoin::Match(uint64_t time_ns, uint32_t pid, const Record& record) {
  if (record.source() != SOURCE_AUDIT || record.audit().arch() == 0 || pid == 0) {
    return std::nullopt;
  }
  active_until_ns_ = time_ns + kActiveNs;
  Entry* match = nullptr;
  for (Entry& entry : entries_) {
    if (!Fits(entry, time_ns, pid, record)) continue;
    if (match != nullptr) return std::nullopt;
    match = &entry;
  }
  if (match == nullptr) return std::nullopt;
  match->pid = 0;
  return match->sequence;
}

void AuditJoin::Link(uint64_t sequence, Record* record) {
  record->set_type(AUDIT_LINK);
  record->mutable_audit()->set_linked_sequence(sequence);
  record->clear_file();
  record->clear_target();
  record->clear_net();
  record->clear_cred();
  record->clear_peer();
  record->clear_memory();
  record->clear_kernel();
}

}  // namespace cairn::capture
