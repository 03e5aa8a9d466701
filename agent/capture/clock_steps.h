// By how much the wall clock was set.
#ifndef CAIRN_AGENT_CAPTURE_CLOCK_STEPS_H_
#define CAIRN_AGENT_CAPTURE_CLOCK_STEPS_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace cairn::capture {

// Remembers for a while how far the wall clock was ahead of the boot-time clock. One thread.
class ClockSteps {
 public:
  static constexpr uint64_t kEveryNs = 50'000'000;

  // Wall clock minus boot-time clock at `boot_ns`. Cheap; call often.
  void Sample(uint64_t boot_ns, int64_t offset_ns) {
    if (samples_[newest_].boot_ns != 0 && boot_ns < samples_[newest_].boot_ns + kEveryNs) return;
    newest_ = (newest_ + 1) % samples_.size();
    samples_[newest_] = {boot_ns, offset_ns};
  }

  // The step of a call that ended at `boot_ns`, seen now, when the offset is `offset_ns`; to a
  // millisecond or so. 0 where nothing is known of the time before it.
  int64_t StepAt(uint64_t boot_ns, int64_t offset_ns) const {
    for (size_t i = 0; i < samples_.size(); ++i) {
      const Sampled& sample = samples_[(newest_ + samples_.size() - i) % samples_.size()];
      if (sample.boot_ns == 0) break;
      if (sample.boot_ns + kCallNs < boot_ns) return offset_ns - sample.offset_ns;
    }
    return 0;
  }

 private:
  static constexpr uint64_t kCallNs = 1'000'000;  // no such call takes longer
  struct Sampled {
    uint64_t boot_ns = 0;  // 0: none
    int64_t offset_ns = 0;
  };
  std::array<Sampled, 64> samples_{};
  size_t newest_ = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_CLOCK_STEPS_H_
