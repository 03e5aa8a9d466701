#include "agent/policy_loader.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <system_error>
#include <utility>

namespace cairn::agent {

PolicyLoader::PolicyLoader(policy::LoadOptions options)
    : options_(std::move(options)), finished_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

PolicyLoader::~PolicyLoader() {
  if (thread_.joinable()) thread_.join();
}

void PolicyLoader::Start(std::shared_ptr<const policy::Policy> current, policy::Rung rung) {
  busy_ = true;
  const auto load = [this, current = std::move(current), rung] {
    result_ = policy::LoadPolicy(options_, current, rung);
    const uint64_t one = 1;
    (void)!::write(finished_.get(), &one, sizeof(one));  // a counter at 0 takes it
  };
  try {
    thread_ = std::thread(load);
  } catch (const std::system_error&) {  // no more threads
    load();
  }
}

std::optional<policy::LoadResult> PolicyLoader::Take() {
  uint64_t count;
  if (::read(finished_.get(), &count, sizeof(count)) != sizeof(count)) return std::nullopt;
  if (thread_.joinable()) thread_.join();
  busy_ = false;
  return std::move(result_);
}

}  // namespace cairn::agent
