// The agent's protection of itself: signals, ptrace and bpf(2) against it and changes of its files
// are refused by a security module of our own (bpf/shield.bpf.c), to all but its manager.
#ifndef CAIRN_AGENT_CAPTURE_SHIELD_H_
#define CAIRN_AGENT_CAPTURE_SHIELD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

struct shield_bpf;

namespace cairn::capture {

struct ShieldOptions {
  std::vector<std::string> paths;       // directories and files that nobody else may change
  std::vector<std::string> open_paths;  // directories in them that others may write to
};

// The shared maps of the capture programs, which refusals are reported through.
struct ShieldMaps {
  int rings = -1;
  int counters = -1;
  int filters = -1;
};

// One thread. Protects this process until it is destroyed.
class Shield {
 public:
  Shield() = default;
  Shield(const Shield&) = delete;
  Shield& operator=(const Shield&) = delete;
  ~Shield();

  // FailedPrecondition: "bpf" is not among the kernel's security modules. Else what the kernel
  // said. The manager is our parent. Nothing is protected after an error.
  absl::Status Protect(const ShieldOptions& options, const ShieldMaps& maps);

  // Others may write to this directory from now on, as to `open_paths`.
  absl::Status LetOthersWrite(const std::string& path);

  // Protects the BPF maps, programs and links that this process holds now.
  absl::Status ProtectObjects();

  bool on() const { return object_ != nullptr; }

 private:
  absl::Status Load(const ShieldMaps& maps);
  absl::Status Fill(const ShieldOptions& options);
  absl::Status AddFile(const std::string& path, uint32_t kind);

  shield_bpf* object_ = nullptr;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_SHIELD_H_
