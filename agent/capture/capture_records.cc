#include "agent/capture/capture_records.h"

#include <string>

#include "agent/capture/rings.h"

namespace cairn::capture {

void FillLoss(const RingLoss& lost, uint64_t from_ns, uint64_t to_ns, Record* record) {
  record->Clear();
  record->set_type(AGENT_LOSS);
  record->set_source(SOURCE_AGENT);
  Loss* loss = record->mutable_loss();
  loss->set_source("ebpf");
  loss->set_reason("ring_full");
  loss->set_cpu(lost.cpu);
  loss->set_ring(std::string(RingName(lost.ring)));
  loss->set_type(lost.type);
  loss->set_count(lost.count);
  loss->set_total(lost.total);
  loss->set_from_ns(from_ns);
  loss->set_to_ns(to_ns);
}

void FillTamper(absl::string_view what, absl::string_view detail, Record* record) {
  record->Clear();
  record->set_type(AGENT_TAMPER_ATTEMPT);
  record->set_source(SOURCE_AGENT);
  record->set_severity(SEVERITY_CRITICAL);
  record->mutable_notice()->set_what(what.data(), what.size());
  record->mutable_notice()->set_detail(detail.data(), detail.size());
}

void CredExec::Note(const Process* before) {
  known_ = before != nullptr;
  if (!known_) return;
  euid_ = before->euid();
  egid_ = before->egid();
  capabilities_ = before->capabilities();
}

Record* CredExec::Compare(uint32_t cpu, const Process& now) {
  if (!known_ ||
      (euid_ == now.euid() && egid_ == now.egid() && (now.capabilities() & ~capabilities_) == 0)) {
    return nullptr;
  }
  record_.Clear();
  record_.set_type(CRED_EXEC);
  record_.set_source(SOURCE_EBPF);
  record_.set_cpu(cpu);
  record_.set_ret(0);
  Cred* cred = record_.mutable_cred();
  cred->set_uid(now.uid());
  cred->set_euid(now.euid());
  cred->set_suid(now.suid());
  cred->set_fsuid(now.fsuid());
  cred->set_gid(now.gid());
  cred->set_egid(now.egid());
  cred->set_sgid(now.sgid());
  cred->set_fsgid(now.fsgid());
  cred->set_effective(now.capabilities());
  *record_.mutable_file()->mutable_path() = now.exe();
  record_.mutable_file()->set_source(PATH_OBJECT);
  return &record_;
}

}  // namespace cairn::capture
