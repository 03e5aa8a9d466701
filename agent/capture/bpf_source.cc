#include "agent/capture/bpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/bpf_programs.h"
#include "agent/capture/filter.h"
#include "agent/capture/mapped.h"
#include "agent/capture/pins.h"
#include "agent/capture/rate_limits.h"
#include "agent/capture/rings.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/status.h"
#include "bpf/event_maps.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kBusyNapNs = 1'000'000;   // between looks while events come
constexpr uint64_t kFloodNapNs = 500'000;    // and while they come so fast that a look is cheap:
constexpr size_t kFlood = 64;                // so many in one
constexpr uint64_t kIsolatedNs = 4'000'000;  // since the one before: nothing follows at once
constexpr uint64_t kLossLookNs = 100'000'000;
constexpr uint64_t kIntegrityLookNs = 1'000'000'000;

class Source final : public BpfSource {
 public:
  explicit Source(const BpfOptions& options) : options_(options) {}

  absl::Status Start() {
    cpus_ = static_cast<uint32_t>(libbpf_num_possible_cpus());
    if (cpus_ == 0 || cpus_ > EVENT_CPUS) {
      return absl::UnimplementedError(absl::StrCat(cpus_, " cpus: at most ", int{EVENT_CPUS}));
    }
    ring_bytes_ = FittingRingBytes(options_.ring_bytes, cpus_);
    if (ring_bytes_ != options_.ring_bytes) {
      LogWarning("capture.ring_bytes: ", options_.ring_bytes, " for each of ", cpus_,
                 " cpus is too much: ", ring_bytes_);
    }
    RETURN_IF_ERROR(Load());
    RETURN_IF_ERROR(MapShared());
    RETURN_IF_ERROR(OpenRings());
    RETURN_IF_ERROR(WatchRings());
    RETURN_IF_ERROR(programs_.Attach());
    filter_.Activate(generation_);
    if (pins_ != nullptr) pins_->ClearOldLinks(absl::StrCat("_", generation_));
    if (options_.shield) ProtectSelf();
    return absl::OkStatus();
  }

  ~Source() override {
    if (pins_ != nullptr && !keep_) pins_->Clear();
  }

  int wait_fd() const override { return epoll_.get(); }
  uint64_t look_ns() const override { return look_ns_; }

  size_t Drain(absl::FunctionRef<void(absl::string_view)> sink) override {
    epoll_event ready[8];
    while (look_ns_ == UINT64_MAX && epoll_wait(epoll_.get(), ready, 8, 0) == 8) {
    }
    const uint64_t now = BootNs();
    const size_t count = rings_.Drain(detached_ ? UINT64_MAX : now - options_.watermark_ns, sink);
    Sleep(now, count);
    return count;
  }

  bool more() const override { return rings_.full(); }

  void DrainLoss(LossSink sink) override {
    const uint64_t now = BootNs();
    if (now - loss_looked_ns_ < kLossLookNs && !detached_) return;
    loss_looked_ns_ = now;
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      for (uint32_t ring = 0; ring < RINGS; ++ring) {
        for (uint32_t type = 0; type < EVENT_TYPES; ++type) {
          uint64_t& told = told_[(cpu * RINGS + ring) * EVENT_TYPES + type];
          const uint64_t total =
              __atomic_load_n(&counters_[cpu].dropped[ring][type], __ATOMIC_RELAXED);
          if (total == told) continue;
          sink({cpu, static_cast<event_ring>(ring), static_cast<EventType>(type), total - told,
                total});
          told = total;
          loss_told_ = true;
        }
      }
    }
  }

  void DrainLimits(RateLimits::Sink sink) override {
    const uint64_t now = BootNs();
    if (now - limits_looked_ns_ < kLossLookNs && !detached_) return;
    limits_looked_ns_ = now;
    limits_.Look(now, detached_, sink);
  }

  void Settle() override {
    rings_.Release();
    limits_.Settle();
    filter_->settled_ns = BootNs();
    if (!std::exchange(loss_told_, false)) return;
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      memcpy(marks_[cpu].declared, &told_[size_t{cpu} * RINGS * EVENT_TYPES],
             sizeof(marks_[cpu].declared));
    }
  }

  void Detach() override {
    if (pins_ != nullptr) pins_->ClearOldLinks("");
    programs_.Detach();
    detached_ = true;
  }
  void Keep() override { keep_ = true; }

  const std::string& pins() const override { return pins_text_; }
  uint64_t resumed_from_ns() const override { return resumed_from_ns_; }
  void Told(const Record& record) override {
    if (record.has_limit()) limits_.Told(record.limit());
    if (!record.has_loss() || record.loss().source() != "ebpf") return;
    const Loss& loss = record.loss();
    const uint32_t ring = RingNumber(loss.ring());
    if (loss.cpu() >= cpus_ || ring >= RINGS) return;
    uint64_t& told = told_[(loss.cpu() * RINGS + ring) * EVENT_TYPES + (loss.type() & 0xff)];
    told = std::max(told, loss.total());
    loss_told_ = true;
  }

  absl::Status SetWanted(const policy::Wanted& wanted, const policy::Guards& guards) override {
    RETURN_IF_ERROR(filter_.Set(wanted, guards));
    RETURN_IF_ERROR(programs_.AttachWanted(wanted.Has(FILE_CLOSE), wanted.Has(NET_DNS)));
    return shield_.ProtectObjects();
  }

  absl::Status LetOthersWrite(const std::string& path) override {
    return shield_.LetOthersWrite(path);
  }

  void Judge(const Process& process, uint64_t exec_id) override { filter_.Judge(process, exec_id); }
  void Forget(uint32_t pid) override { filter_.Forget(pid); }

  void CheckIntegrity(absl::FunctionRef<void(const std::string&)> sink) override {
    const uint64_t now = BootNs();
    if (now - integrity_looked_ns_ < kIntegrityLookNs || detached_) return;
    integrity_looked_ns_ = now;
    programs_.Repair(sink);
    filter_.Repair(sink);
    rings_.Repair(sink);
  }

  void FillHeartbeat(Heartbeat* heartbeat) const override {
    programs_.FillHeartbeat(filter_.InKernel(), heartbeat);
    for (uint32_t i = 0; i < cpus_ * RINGS; ++i) {
      RingState* state = heartbeat->add_rings();
      const event_counters& counts = counters_[i / RINGS];
      state->set_cpu(i / RINGS);
      state->set_ring(std::string(RingName(i % RINGS)));
      state->set_produced(counts.produced[i % RINGS]);
      state->set_dropped(Sum(counts.dropped[i % RINGS]));
      state->set_limited(Sum(counts.limited[i % RINGS]));
      state->set_consumed(rings_.taken(i));
    }
  }

  const std::string& name() const override { return programs_.name(); }
  const std::string& reason() const override { return programs_.reason(); }
  const std::string& protection() const override { return protection_; }

 private:
  // Where it is not to be had the agent runs without, and says so.
  void ProtectSelf() {
    const absl::Status status =
        shield_.Protect(*options_.shield, {.rings = programs_.map_fd("rings"),
                                           .counters = programs_.map_fd("counters"),
                                           .filters = programs_.map_fd("filters")});
    protection_ = status.ok() ? "on" : std::string(status.message());
  }

  // With what a run before this one left, if it fits; afresh otherwise.
  absl::Status Load() {
    if (!options_.pin_dir.empty()) ClaimPins();
    const uint32_t left = pins_ == nullptr ? 0 : pins_->Inspect(options_.ring_bytes);
    resumed_ = left != 0;
    generation_ = left + 1;
    const absl::Status loaded = programs_.Load(cpus_, ring_bytes_, pins_.get(), generation_);
    if (loaded.ok() || pins_ == nullptr) return loaded;
    LogWarning("pinned: ", loaded.message(), "; beginning afresh");
    pins_->Clear();
    resumed_ = false;
    generation_ = 1;
    return programs_.Load(cpus_, ring_bytes_, pins_.get(), generation_);
  }

  void ClaimPins() {
    auto pins = Pins::Claim(options_.pin_dir);
    pins_text_ = pins.ok() ? options_.pin_dir : std::string(pins.status().message());
    if (pins.ok()) {
      pins_ = *std::move(pins);
    } else {
      LogWarning("nothing is pinned: ", pins_text_);
    }
  }

  absl::Status MapShared() {
    RETURN_IF_ERROR(counters_.Map(programs_.map_fd("counters"), cpus_));
    RETURN_IF_ERROR(marks_.Map(programs_.map_fd("marks"), cpus_));
    told_.resize(size_t{cpus_} * RINGS * EVENT_TYPES);
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      memcpy(&told_[size_t{cpu} * RINGS * EVENT_TYPES], marks_[cpu].declared,
             sizeof(marks_[cpu].declared));
    }
    FilterOptions filter;
    filter.own_pids = options_.ignore_pids;
    filter.push_down = options_.push_down;
    filter.ring_bytes = ring_bytes_;
    filter.process_rate = options_.process_rate;
    RETURN_IF_ERROR(filter_.Open(programs_.map_fd("filters"), programs_.map_fd("guards"),
                                 programs_.map_fd("verdicts"), filter));
    return limits_.Open(programs_.map_fd("buckets"), options_.process_rate);
  }

  static uint64_t Sum(const __u64 (&counts)[EVENT_TYPES]) {
    return std::accumulate(counts, counts + EVENT_TYPES, uint64_t{0});
  }

  absl::Status OpenRings() {
    RETURN_IF_ERROR(rings_.Open({.bytes = ring_bytes_,
                                 .cpus = cpus_,
                                 .outer = programs_.map_fd("rings"),
                                 .lanes = programs_.map_fd("lanes"),
                                 .counters = counters_.get(),
                                 .marks = marks_.get(),
                                 .left = resumed_,
                                 .pins = pins_.get()}));
    if (!resumed_) {
      programs_.WarmRings();
      rings_.Skip();
      return absl::OkStatus();
    }
    resumed_from_ns_ = std::min(std::max<uint64_t>(filter_->settled_ns, 1), rings_.OldestNs());
    return absl::OkStatus();
  }

  absl::Status WatchRings() {
    epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_.valid()) return ErrnoStatus(errno, "make a wait descriptor");
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    for (const Fd& fd : rings_.fds()) {
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
        return ErrnoStatus(errno, "wait for a ring");
      }
    }
    return absl::OkStatus();
  }

  // While events come, looks again in a moment, unwoken; else asks the kernel to wake us. What
  // came between is seen by the last look (bpf/emit.h, reader_wake).
  void Sleep(uint64_t now_ns, size_t count) {
    const bool isolated = count == 1 && now_ns - found_ns_ > kIsolatedNs;
    const bool busy = (count > 0 && !isolated) || detached_;
    if (count > 0) found_ns_ = now_ns;
    look_ns_ = UINT64_MAX;
    if (!busy && !rings_.HasData()) {
      __atomic_store_n(&filter_->asleep, 1u, __ATOMIC_SEQ_CST);
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
      if (!rings_.HasData()) return;
    }
    __atomic_store_n(&filter_->asleep, 0u, __ATOMIC_RELAXED);
    look_ns_ = now_ns + (count >= kFlood ? kFloodNapNs : busy ? kBusyNapNs : options_.watermark_ns);
  }

  const BpfOptions options_;
  uint32_t cpus_ = 0;
  uint32_t ring_bytes_ = 0;     // of each ring
  std::unique_ptr<Pins> pins_;  // null: nothing is pinned
  std::string pins_text_ = "not asked for";
  uint32_t generation_ = 1;
  bool resumed_ = false;
  uint64_t resumed_from_ns_ = 0;
  bool keep_ = false;
  BpfPrograms programs_;
  Mapped<const event_counters> counters_;
  Mapped<event_marks> marks_;
  Rings rings_;
  Filter filter_;
  RateLimits limits_;
  std::vector<uint64_t> told_;  // of each counter of loss
  bool loss_told_ = false;
  bool detached_ = false;
  uint64_t integrity_looked_ns_ = 0;
  uint64_t limits_looked_ns_ = 0;
  Shield shield_;
  std::string protection_ = "off";
  Fd epoll_;
  uint64_t look_ns_ = 0;
  uint64_t found_ns_ = 0;
  uint64_t loss_looked_ns_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BpfSource>> BpfSource::Open(const BpfOptions& options) {
  auto source = std::make_unique<Source>(options);
  RETURN_IF_ERROR(source->Start());
  return std::unique_ptr<BpfSource>(std::move(source));
}

}  // namespace cairn::capture
