#include "agent/own_records.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/config_files.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/io.h"
#include "base/version.h"

namespace cairn::agent {
namespace {

Record Own(EventType type) {
  Record record;
  record.set_type(type);
  record.set_source(SOURCE_AGENT);
  return record;
}

std::string ExeOf(uint32_t pid) {
  char target[4096];
  const ssize_t n = ::readlink(absl::StrCat("/proc/", pid, "/exe").c_str(), target, sizeof(target));
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "";
}

// 4294967295 (unset) when the kernel does not tell.
uint32_t AuidOf(uint32_t pid) {
  uint32_t auid = UINT32_MAX;
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/loginuid"), 32);
  if (text.ok() && !absl::SimpleAtoi(absl::StripSuffix(*text, "\n"), &auid)) auid = UINT32_MAX;
  return auid;
}

}  // namespace

void ReadRequester(Requester* requester) {
  requester->exe = ExeOf(requester->pid);
  requester->auid = AuidOf(requester->pid);
}

std::string FileDigest(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  if (!fd.valid() || context == nullptr ||
      EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return "";
  }
  char buffer[1 << 14];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0) return "";
    if (n == 0) break;
    EVP_DigestUpdate(context.get(), buffer, static_cast<size_t>(n));
  }
  std::string digest(32, '\0');
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

std::string ConfigDigest(const std::string& path) {
  const auto files = ConfigFiles(path);
  if (!files.ok() || files->size() == 1) return FileDigest(path);
  std::string digests;
  for (const std::string& file : *files) digests += FileDigest(file);
  std::string digest(32, '\0');
  EVP_Digest(digests.data(), digests.size(), reinterpret_cast<unsigned char*>(digest.data()),
             nullptr, EVP_sha256(), nullptr);
  return digest;
}

Record StartRecord(const config::AgentConfig& config, const capture::Capture& capture,
                   absl::string_view binary_digest, absl::string_view config_digest) {
  Record record = Own(AGENT_START);
  AgentRun* run = record.mutable_agent();
  run->set_version(kVersion);
  run->set_backend(capture.backend());
  run->set_backend_reason(capture.backend_reason());
  run->set_audit_mode(capture.audit_mode());
  run->set_audit_reason(capture.audit_reason());
  run->set_protection(capture.protection());
  run->set_kernel(KernelRelease());
  run->set_hostname(HostName());
  run->set_binary_digest(binary_digest.data(), binary_digest.size());
  run->set_config_digest(config_digest.data(), config_digest.size());
  run->set_environment(config.environment());
  run->set_resumed(capture.resumed_from_ns() != 0);
  run->set_pins(capture.pins());
  run->set_snapshot_processes(static_cast<uint32_t>(capture.snapshot_processes()));
  return record;
}

Record StopRecord(absl::string_view reason) {
  Record record = Own(AGENT_STOP);
  record.mutable_agent()->set_version(kVersion);
  record.mutable_agent()->set_reason(reason.data(), reason.size());
  return record;
}

Record PolicyRecord(const policy::LoadResult& result, const Requester& requester) {
  const bool loaded = result.rung == policy::Rung::kConfigured;
  Record record = Own(loaded ? AGENT_POLICY_LOADED : AGENT_POLICY_REJECTED);
  PolicyChange* change = record.mutable_policy();
  *change = result.change;
  change->set_trigger(requester.trigger);
  if (requester.pid != 0) {
    change->set_requester_pid(requester.pid);
    change->set_requester_uid(requester.uid);
    change->set_requester_auid(requester.auid);
    change->set_requester_exe(requester.exe);
    change->set_requester_inferred(requester.inferred);
  }
  return record;
}

Record DegradedRecord(const policy::LoadResult& result) {
  return NoticeRecord(AGENT_DEGRADED, absl::StrCat("policy: ", policy::RungName(result.rung)),
                      result.change.errors().empty() ? "" : result.change.errors(0));
}

Record HeartbeatRecord(capture::Capture* capture, uint64_t counted,
                       const policy::LoadResult& policy) {
  Record record = Own(AGENT_HEARTBEAT);
  Heartbeat* heartbeat = record.mutable_heartbeat();
  capture->FillHeartbeat(heartbeat);
  heartbeat->set_counted_not_recorded(counted);
  heartbeat->set_resident_bytes(ResidentBytes());
  heartbeat->set_policy_rung(std::string(policy::RungName(policy.rung)));
  uint64_t errors = 0;
  for (const auto& error : policy.policy->condition_errors()) errors += error.count;
  heartbeat->set_condition_errors(errors);
  return record;
}

Record NoticeRecord(EventType type, absl::string_view what, absl::string_view detail) {
  Record record = Own(type);
  record.mutable_notice()->set_what(what.data(), what.size());
  record.mutable_notice()->set_detail(detail.data(), detail.size());
  return record;
}

std::string Describe(const Requester& requester) {
  if (requester.pid == 0) return "nobody";
  const std::string exe = ExeOf(requester.pid);
  return absl::StrCat("pid ", requester.pid, exe.empty() ? "" : absl::StrCat(" (", exe, ")"),
                      ", uid ", requester.uid);
}

uint64_t ResidentBytes() {
  const auto text = ReadFile("/proc/self/statm", 256);
  if (!text.ok()) return 0;
  const std::vector<absl::string_view> fields = absl::StrSplit(*text, ' ');
  uint64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace cairn::agent
