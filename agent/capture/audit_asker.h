// Asks the kernel for its audit settings on a thread of its own: it starts a thread of its own for
// each answer, and keeps whoever asks for milliseconds on a busy machine.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_ASKER_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_ASKER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/audit_control.h"

namespace cairn::capture {

struct AuditAnswer {
  AuditKernelState state;
  std::optional<std::vector<std::string>> rules;  // where they were asked for, and told
};

// One question at a time. All calls from one thread.
class AuditAsker {
 public:
  static absl::StatusOr<std::unique_ptr<AuditAsker>> Start();
  ~AuditAsker();  // waits for an answer that is under way, a second at most

  // Not while busy.
  void Ask(bool rules);
  bool busy() const { return busy_; }
  // What came of it, once; nothing while it is awaited, or when the kernel did not answer.
  std::optional<AuditAnswer> Take();

 private:
  enum class Turn { kIdle, kAsked, kAnswered, kEnding };

  explicit AuditAsker(AuditControl control) : control_(std::move(control)) {}
  void Work();

  AuditControl control_;  // thread_'s
  bool busy_ = false;     // the caller's
  std::mutex mutex_;
  std::condition_variable changed_;
  Turn turn_ = Turn::kIdle;
  bool with_rules_ = false;
  std::optional<AuditAnswer> answer_;
  std::thread thread_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_ASKER_H_
