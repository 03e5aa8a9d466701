#include "agent/capture/audit_asker.h"

#include <system_error>
#include <utility>

#include "base/status.h"

namespace cairn::capture {

absl::StatusOr<std::unique_ptr<AuditAsker>> AuditAsker::Start() {
  ASSIGN_OR_RETURN(AuditControl control, AuditControl::Open());
  std::unique_ptr<AuditAsker> asker(new AuditAsker(std::move(control)));
  try {
    asker->thread_ = std::thread([asker = asker.get()] { asker->Work(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(error.what());
  }
  return asker;
}

AuditAsker::~AuditAsker() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    turn_ = Turn::kEnding;
  }
  changed_.notify_one();
  thread_.join();
}

void AuditAsker::Ask(bool rules) {
  busy_ = true;
  {
    const std::lock_guard lock(mutex_);
    with_rules_ = rules;
    turn_ = Turn::kAsked;
  }
  changed_.notify_one();
}

std::optional<AuditAnswer> AuditAsker::Take() {
  if (!busy_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (turn_ != Turn::kAnswered) return std::nullopt;
  turn_ = Turn::kIdle;
  busy_ = false;
  return std::exchange(answer_, std::nullopt);
}

void AuditAsker::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return turn_ == Turn::kAsked || turn_ == Turn::kEnding; });
    if (turn_ == Turn::kEnding) return;
    const bool with_rules = with_rules_;
    lock.unlock();
    std::optional<AuditAnswer> answer;
    if (const auto state = control_.Read(); state.ok()) answer.emplace().state = *state;
    if (answer && with_rules) {
      if (auto rules = control_.ReadRules(); rules.ok()) answer->rules = *std::move(rules);
    }
    lock.lock();
    if (turn_ == Turn::kEnding) return;
    answer_ = std::move(answer);
    turn_ = Turn::kAnswered;
  }
}

}  // namespace cairn::capture
