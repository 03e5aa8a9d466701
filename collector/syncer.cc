#include "collector/syncer.h"

#include <algorithm>
#include <utility>

namespace cairn::collector {

Syncer::Syncer(int threads) : most_others_(static_cast<size_t>(std::max(threads, 2)) - 1) {
  for (size_t i = 0; i <= most_others_; ++i) threads_.emplace_back([this] { Loop(); });
}

Syncer::~Syncer() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void Syncer::Submit(bool urgent, std::function<void()> work) {
  const absl::MutexLock lock(&mutex_);
  (urgent ? urgent_ : others_).push_back(std::move(work));
}

bool Syncer::Ready() const {
  const bool other = !others_.empty() && others_running_ < most_others_;
  return !urgent_.empty() || other || (stop_ && others_.empty());
}

void Syncer::Loop() {
  for (;;) {
    std::function<void()> work;
    bool urgent = false;
    {
      const absl::MutexLock lock(&mutex_, absl::Condition(this, &Syncer::Ready));
      urgent = !urgent_.empty();
      std::deque<std::function<void()>>& queue = urgent ? urgent_ : others_;
      if (queue.empty()) return;  // stopping
      work = std::move(queue.front());
      queue.pop_front();
      others_running_ += urgent ? 0 : 1;
    }
    work();
    const absl::MutexLock lock(&mutex_);
    others_running_ -= urgent ? 0 : 1;
  }
}

}  // namespace cairn::collector
