// The records an agent makes of itself (group "agent", record.proto).
#ifndef CAIRN_AGENT_OWN_RECORDS_H_
#define CAIRN_AGENT_OWN_RECORDS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "agent/capture/capture.h"
#include "policy/policy.h"
#include "proto/config.pb.h"
#include "proto/record.pb.h"

namespace cairn::agent {

// Who asked for a reload, a rotation or the end: pid and uid are what the kernel said of the peer.
struct Requester {
  std::string trigger;  // start | SIGHUP | control | inotify
  uint32_t pid = 0;     // 0: nobody
  uint32_t uid = 0;
  uint32_t auid = UINT32_MAX;  // unset, until it is looked up
  std::string exe;
  bool inferred = false;  // it came through process 1: this is who probably asked that
};
// Fills auid and exe from /proc; they stay as they are when the process is gone.
void ReadRequester(Requester* requester);

// SHA-256 of a file's bytes; empty when it cannot be read. For the programs' own files.
std::string FileDigest(const std::string& path);

// The same of a configuration: of its file, or of the digests of the file and its drop-ins.
std::string ConfigDigest(const std::string& path);

Record StartRecord(const config::AgentConfig& config, const capture::Capture& capture,
                   absl::string_view binary_digest, absl::string_view config_digest);

// `reason` is "signal 15 from pid 1 (/usr/lib/systemd/systemd), uid 0", say.
Record StopRecord(absl::string_view reason);

// policy_loaded, or policy_rejected when the files are not what took effect.
Record PolicyRecord(const policy::LoadResult& result, const Requester& requester);

// agent.degraded: the policy on disk is not what is in force.
Record DegradedRecord(const policy::LoadResult& result);

Record HeartbeatRecord(capture::Capture* capture, uint64_t counted,
                       const policy::LoadResult& policy);

Record NoticeRecord(EventType type, absl::string_view what, absl::string_view detail);

// "pid 17 (/usr/bin/kill), uid 0"; what the kernel tells of a live process.
std::string Describe(const Requester& requester);

uint64_t ResidentBytes();

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_OWN_RECORDS_H_
