// How long events are exposed: from kernel time to the receipt that covers them.
#ifndef CAIRN_AGENT_SHIPPER_EXPOSURE_H_
#define CAIRN_AGENT_SHIPPER_EXPOSURE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>

namespace cairn::shipper {

// Records by exposure, in buckets 5 % apart from 10 µs to an hour. One thread.
class Histogram {
 public:
  void Add(double ms, uint64_t count);
  void Merge(const Histogram& other);
  double Percentile(double p) const;  // ms; 0 when empty
  double max_ms() const { return max_ms_; }
  uint64_t count() const { return count_; }

 private:
  static constexpr int kBuckets = 410;
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  double max_ms_ = 0;
};

// Remembers the blocks that were sent until a receipt covers them. One thread.
class Exposure {
 public:
  // In the order of the log. `end` counts blocks of the log up to and with this one.
  void Sent(uint64_t end, uint64_t last_time_ns, uint32_t records, bool urgent);
  // A receipt covers the first `size` blocks; `now_ns` is CLOCK_BOOTTIME.
  void Receipted(uint64_t size, uint64_t now_ns);
  // When the oldest of what waits happened (CLOCK_BOOTTIME); 0: nothing waits.
  uint64_t waiting_since_ns() const { return waiting_.empty() ? 0 : waiting_.front().time_ns; }
  // Nothing that was sent counts: it will be sent again.
  void Forget() { waiting_.clear(); }

  // Starts counting anew; what is waiting stays.
  void Clear() { all_ = urgent_ = {}; }

  const Histogram& all() const { return all_; }
  const Histogram& urgent() const { return urgent_; }
  // One JSON object: the last receipt, and percentiles over all since start.
  std::string Line(const std::string& origin, uint64_t size, uint64_t time_s) const;

 private:
  struct Sample {
    uint64_t end;
    uint64_t time_ns;
    uint32_t records;
    bool urgent;
  };
  static constexpr size_t kMaxWaiting = 1 << 16;  // beyond it samples are not taken

  std::deque<Sample> waiting_;
  Histogram all_;
  Histogram urgent_;
  uint64_t last_records_ = 0;
  double last_max_ms_ = 0;
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_EXPOSURE_H_
