#include "agent/shipper/exposure.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace cairn::shipper {
namespace {

constexpr double kLowestMs = 0.01;
constexpr double kStep = 1.05;

}  // namespace

void Histogram::Add(double ms, uint64_t count) {
  const double place = std::ceil(std::log(std::max(ms, kLowestMs) / kLowestMs) / std::log(kStep));
  buckets_[static_cast<size_t>(std::clamp(place, 0.0, kBuckets - 1.0))] += count;
  count_ += count;
  max_ms_ = std::max(max_ms_, ms);
}

void Histogram::Merge(const Histogram& other) {
  for (int i = 0; i < kBuckets; ++i) {
    buckets_[static_cast<size_t>(i)] += other.buckets_[static_cast<size_t>(i)];
  }
  count_ += other.count_;
  max_ms_ = std::max(max_ms_, other.max_ms_);
}

double Histogram::Percentile(double p) const {
  const double want = p / 100 * static_cast<double>(count_);
  uint64_t seen = 0;
  for (int i = 0; i < kBuckets && count_ > 0; ++i) {
    seen += buckets_[static_cast<size_t>(i)];
    if (static_cast<double>(seen) >= want) {
      return std::min(max_ms_, kLowestMs * std::pow(kStep, i));
    }
  }
  return 0;
}

void Exposure::Sent(uint64_t end, uint64_t last_time_ns, uint32_t records, bool urgent) {
  if (waiting_.size() >= kMaxWaiting) return;
  waiting_.push_back({end, last_time_ns, records, urgent});
}

void Exposure::Receipted(uint64_t size, uint64_t now_ns) {
  last_records_ = 0;
  last_max_ms_ = 0;
  while (!waiting_.empty() && waiting_.front().end <= size) {
    const Sample& sample = waiting_.front();
    const double ms =
        now_ns > sample.time_ns ? static_cast<double>(now_ns - sample.time_ns) / 1e6 : 0;
    all_.Add(ms, sample.records);
    if (sample.urgent) urgent_.Add(ms, sample.records);
    last_records_ += sample.records;
    last_max_ms_ = std::max(last_max_ms_, ms);
    waiting_.pop_front();
  }
}

std::string Exposure::Line(const std::string& origin, uint64_t size, uint64_t time_s) const {
  return absl::StrFormat(
      "{\"origin\":\"%s\",\"size\":%d,\"time_s\":%d,\"records\":%d,\"oldest_ms\":%.3f,"
      "\"total_records\":%d,\"exposure_p50_ms\":%.3f,\"exposure_p99_ms\":%.3f,"
      "\"exposure_max_ms\":%.3f,\"urgent_records\":%d,\"urgent_p50_ms\":%.3f,"
      "\"urgent_p99_ms\":%.3f}\n",
      origin, size, time_s, last_records_, last_max_ms_, all_.count(), all_.Percentile(50),
      all_.Percentile(99), all_.max_ms(), urgent_.count(), urgent_.Percentile(50),
      urgent_.Percentile(99));
}

}  // namespace cairn::shipper
