#include "agent/capture/rate_limits.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kQuietNs = 1'000'000'000;   // then an episode is over
constexpr uint64_t kLongNs = 60'000'000'000;   // then it is told of although it goes on
constexpr uint64_t kForgetNs = 5'000'000'000;  // then its bucket is free for another process

uint64_t Load(const __u64* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

uint64_t Sum(const __u64* counts) {
  uint64_t sum = 0;
  for (size_t i = 0; i < EVENT_LIMITED_TYPES; ++i) sum += Load(&counts[i]);
  return sum;
}

Record LimitRecord(EventType type, const event_bucket& bucket, uint64_t rate) {
  Record record;
  record.set_type(type);
  record.set_source(SOURCE_AGENT);
  record.mutable_limit()->set_rule("kernel:process-rate");
  record.mutable_limit()->set_key(absl::StrCat("pid ", bucket.pid));
  record.mutable_limit()->set_rate(rate);
  return record;
}

}  // namespace

absl::Status RateLimits::Open(int buckets, uint64_t process_rate) {
  rate_ = process_rate;
  episodes_.resize(EVENT_BUCKETS);
  const absl::Status mapped = buckets_.Map(buckets, EVENT_BUCKETS);
  if (!mapped.ok()) return mapped;
  for (uint32_t slot = 0; slot < EVENT_BUCKETS; ++slot) {
    Episode& episode = episodes_[slot];
    for (size_t type = 0; type < EVENT_LIMITED_TYPES; ++type) {
      episode.told[type] = buckets_[slot].declared[type];
    }
    episode.seen = std::accumulate(episode.told, episode.told + EVENT_LIMITED_TYPES, uint64_t{0});
  }
  return absl::OkStatus();
}

void RateLimits::Look(uint64_t now_ns, bool over, Sink sink) {
  for (uint32_t slot = 0; slot < EVENT_BUCKETS; ++slot) {
    event_bucket& bucket = buckets_[slot];
    Episode& episode = episodes_[slot];
    if (Load(&bucket.start_ns) == 0 || bucket.pid == 0) continue;
    const uint64_t sum = Sum(bucket.limited);
    if (sum != episode.seen) {
      total_ += sum - episode.seen;
      episode.seen = sum;
      episode.changed_ns = now_ns;
      if (episode.from_ns == 0) Begin(slot, now_ns, sink);
    }
    const bool quiet = now_ns - episode.changed_ns > kQuietNs;
    if (episode.from_ns != 0 && (quiet || over || now_ns - episode.from_ns > kLongNs)) {
      End(slot, now_ns, sink);
    }
    const uint64_t used_ns = std::max<uint64_t>(episode.changed_ns, bucket.filled_ns);
    if (episode.from_ns == 0 && now_ns > used_ns + kForgetNs) {
      bucket.pid = 0;
      __atomic_store_n(&bucket.start_ns, 0, __ATOMIC_RELEASE);
    }
  }
}

void RateLimits::Begin(uint32_t slot, uint64_t now_ns, Sink sink) {
  episodes_[slot].from_ns = now_ns;
  Record record = LimitRecord(AGENT_LIMIT_START, buckets_[slot], rate_);
  record.mutable_limit()->set_from_ns(now_ns);
  sink(record, buckets_[slot].pid);
}

void RateLimits::End(uint32_t slot, uint64_t now_ns, Sink sink) {
  const event_bucket& bucket = buckets_[slot];
  Episode& episode = episodes_[slot];
  Record record = LimitRecord(AGENT_LIMIT_STOP, bucket, rate_);
  Limit* limit = record.mutable_limit();
  uint64_t sum = 0, total = 0;
  for (uint32_t type = 0; type < EVENT_LIMITED_TYPES; ++type) {
    const uint64_t now = Load(&bucket.limited[type]);
    const uint64_t count = now - episode.told[type];
    total += now;
    if (count == 0) continue;
    auto* counted = limit->add_types();
    counted->set_type(static_cast<EventType>(type));
    counted->set_count(count);
    episode.told[type] = now;
    sum += count;
  }
  total_ += total - episode.seen;
  episode.seen = total;
  limit->set_suppressed(sum);
  limit->set_from_ns(episode.from_ns);
  limit->set_to_ns(now_ns);
  limit->set_slot(slot);
  limit->set_slot_total(total);
  episode.from_ns = 0;
  unsettled_.push_back(slot);
  sink(record, bucket.pid);
}

void RateLimits::Settle() {
  for (const uint32_t slot : unsettled_) {
    for (size_t type = 0; type < EVENT_LIMITED_TYPES; ++type) {
      buckets_[slot].declared[type] = episodes_[slot].told[type];
    }
  }
  unsettled_.clear();
}

void RateLimits::Told(const Limit& limit) {
  if (limit.slot() >= EVENT_BUCKETS || limit.slot_total() <= episodes_[limit.slot()].seen) return;
  Episode& episode = episodes_[limit.slot()];
  for (const TypeCount& counted : limit.types()) {
    if (static_cast<uint32_t>(counted.type()) < EVENT_LIMITED_TYPES) {
      episode.told[counted.type()] += counted.count();
    }
  }
  episode.seen = limit.slot_total();
  unsettled_.push_back(limit.slot());
}

}  // namespace cairn::capture
