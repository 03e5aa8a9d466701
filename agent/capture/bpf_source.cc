#include "agent/capture/bpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/capture/bpf_programs.h"
#include "agent/capture/merge.h"
#include "agent/capture/ring.h"
#include "agent/capture/syscalls.h"
#include "base/fd.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kBusyNapNs = 1'000'000;  // between looks while events come
constexpr uint64_t kLossLookNs = 100'000'000;
constexpr uint64_t kIntegrityLookNs = 1'000'000'000;

template <typename T>
class Mapped {
 public:
  ~Mapped() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
  absl::Status Map(int fd, size_t count) {
    bytes_ = count * sizeof(T);
    void* data = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return ErrnoStatus(errno, "map a BPF array");
    data_ = static_cast<T*>(data);
    return absl::OkStatus();
  }
  T* get() const { return data_; }
  T* operator->() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t bytes_ = 0;
};

// One ring as a stream for Merge.
struct RingStream {
  Ring ring;
  absl::string_view head = {};
  uint64_t taken = 0;

  bool Head(uint64_t* time_ns) {
    if (head.empty()) head = ring.Peek();
    if (head.size() < sizeof(event_header)) return false;
    memcpy(time_ns, head.data() + offsetof(event_header, time_ns), sizeof(*time_ns));
    return true;
  }
  template <typename Sink>
  void Take(Sink& sink) {
    sink(head);
    head = {};
    ++taken;
    ring.Advance();
  }
};

class Source final : public BpfSource {
 public:
  explicit Source(const BpfOptions& options) : options_(options) {}

  absl::Status Start() {
    cpus_ = static_cast<uint32_t>(libbpf_num_possible_cpus());
    if (cpus_ == 0 || cpus_ > EVENT_CPUS) {
      return absl::UnimplementedError(absl::StrCat(cpus_, " cpus: at most ", int{EVENT_CPUS}));
    }
    RETURN_IF_ERROR(programs_.Load(cpus_));
    RETURN_IF_ERROR(MapShared());
    RETURN_IF_ERROR(MakeRings());
    RETURN_IF_ERROR(MakeWait());
    RETURN_IF_ERROR(programs_.Attach());
    if (options_.shield) ProtectSelf();
    return absl::OkStatus();
  }

  int wait_fd() const override { return epoll_.get(); }

  size_t Drain(absl::FunctionRef<void(absl::string_view)> sink) override {
    epoll_event ready[8];
    while (epoll_wait(epoll_.get(), ready, 8, 0) == 8) {
    }
    uint64_t ticks;
    if (armed_ && read(timer_.get(), &ticks, sizeof(ticks)) > 0) armed_ = false;
    const uint64_t limit = BootTimeNs() - options_.watermark_ns;
    const size_t count = Merge(streams_, limit, heap_, sink);
    for (RingStream& stream : streams_) stream.ring.Release();
    Sleep(count > 0);
    return count;
  }

  void DrainLoss(absl::FunctionRef<void(uint32_t, event_ring, EventType, uint64_t)> sink) override {
    const uint64_t now = BootTimeNs();
    if (now - loss_looked_ns_ < kLossLookNs) return;
    loss_looked_ns_ = now;
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      for (uint32_t ring = 0; ring < RINGS; ++ring) {
        for (uint32_t type = 0; type < EVENT_TYPES; ++type) {
          uint64_t& seen = dropped_seen_[(cpu * RINGS + ring) * EVENT_TYPES + type];
          const uint64_t dropped =
              __atomic_load_n(&counters_[cpu].dropped[ring][type], __ATOMIC_RELAXED);
          if (dropped == seen) continue;
          sink(cpu, static_cast<event_ring>(ring), static_cast<EventType>(type), dropped - seen);
          seen = dropped;
        }
      }
    }
  }

  absl::Status SetWanted(const policy::Wanted& wanted) override {
    FillFilter(wanted, &filter_[0]);
    shadow_ = *filter_.get();
    RETURN_IF_ERROR(programs_.AttachWanted(wanted.Has(FILE_CLOSE), wanted.Has(NET_DNS)));
    return shield_.ProtectObjects();
  }

  void CheckIntegrity(absl::FunctionRef<void(const std::string&)> sink) override {
    const uint64_t now = BootTimeNs();
    if (now - integrity_looked_ns_ < kIntegrityLookNs) return;
    integrity_looked_ns_ = now;
    programs_.Repair(sink);
    event_filter kernel = *filter_.get();
    kernel.asleep = shadow_.asleep;
    // Byte by byte, padding too: both come from the same zeroed map value.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    if (memcmp(&kernel, &shadow_, sizeof(kernel)) == 0) return;
    const uint32_t asleep = filter_->asleep;
    *filter_.get() = shadow_;
    filter_->asleep = asleep;
    sink("somebody else wrote to the filter of our BPF programs; put back");
  }

  void FillHeartbeat(Heartbeat* heartbeat) const override {
    programs_.FillHeartbeat(heartbeat);
    for (uint32_t i = 0; i < streams_.size(); ++i) {
      RingState* state = heartbeat->add_rings();
      const event_counters& counts = counters_[i / RINGS];
      state->set_cpu(i / RINGS);
      state->set_ring(std::string(RingName(i % RINGS)));
      state->set_produced(counts.produced[i % RINGS]);
      uint64_t dropped = 0;
      for (const uint64_t count : counts.dropped[i % RINGS]) dropped += count;
      state->set_dropped(dropped);
      state->set_consumed(streams_[i].taken);
    }
  }

  const std::string& name() const override { return programs_.name(); }
  const std::string& reason() const override { return programs_.reason(); }
  const std::string& protection() const override { return protection_; }

 private:
  // Where it is not to be had the agent runs without, and says so.
  void ProtectSelf() {
    const absl::Status status =
        shield_.Protect(*options_.shield, {.rings = programs_.rings_fd(),
                                           .counters = programs_.counters_fd(),
                                           .filters = programs_.filters_fd()});
    protection_ = status.ok() ? "on" : std::string(status.message());
  }

  absl::Status MapShared() {
    RETURN_IF_ERROR(counters_.Map(programs_.counters_fd(), cpus_));
    RETURN_IF_ERROR(filter_.Map(programs_.filters_fd(), 1));
    dropped_seen_.resize(size_t{cpus_} * RINGS * EVENT_TYPES);
    size_t slot = 0;
    filter_->own[slot++] = static_cast<uint32_t>(getpid());
    for (const int pid : options_.ignore_pids) {
      if (slot < EVENT_OWN && pid > 0) filter_->own[slot++] = static_cast<uint32_t>(pid);
    }
    return absl::OkStatus();
  }

  absl::Status MakeRings() {
    const int outer = programs_.rings_fd();
    for (uint32_t i = 0; i < cpus_ * RINGS; ++i) {
      Fd fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "cairn_ring", 0, 0, options_.ring_bytes, nullptr));
      if (!fd.valid()) return ErrnoStatus(errno, "make a ring");
      const int inner = fd.get();
      if (bpf_map_update_elem(outer, &i, &inner, BPF_ANY) != 0)
        return ErrnoStatus(errno, "add a ring");
      ASSIGN_OR_RETURN(Ring ring, Ring::Map(inner, options_.ring_bytes));
      streams_.push_back(RingStream{std::move(ring)});
      ring_fds_.push_back(std::move(fd));
    }
    return absl::OkStatus();
  }

  absl::Status MakeWait() {
    epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
    timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll_.valid() || !timer_.valid()) return ErrnoStatus(errno, "make a wait descriptor");
    epoll_event event = {};
    event.events = EPOLLIN;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
      return ErrnoStatus(errno, "wait for the timer");
    }
    event.events = EPOLLIN | EPOLLET;
    for (const Fd& fd : ring_fds_) {
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
        return ErrnoStatus(errno, "wait for a ring");
      }
    }
    Arm(kBusyNapNs);
    return absl::OkStatus();
  }

  // While events come, looks again in a moment, unwoken; else asks the kernel to wake us. What
  // came between is seen by the last look (bpf/emit.h, reader_wake).
  void Sleep(bool busy) {
    if (!busy && !AnyData()) {
      __atomic_store_n(&filter_->asleep, 1u, __ATOMIC_SEQ_CST);
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
      if (!AnyData()) return;
    }
    __atomic_store_n(&filter_->asleep, 0u, __ATOMIC_RELAXED);
    if (!armed_) Arm(busy ? kBusyNapNs : options_.watermark_ns);
  }

  bool AnyData() const {
    for (const RingStream& stream : streams_) {
      if (stream.ring.HasData()) return true;
    }
    return false;
  }

  void Arm(uint64_t after_ns) {
    itimerspec when = {};
    when.it_value.tv_nsec = static_cast<long>(after_ns);
    armed_ = timerfd_settime(timer_.get(), 0, &when, nullptr) == 0;
  }

  const BpfOptions options_;
  uint32_t cpus_ = 0;
  BpfPrograms programs_;
  std::vector<Fd> ring_fds_;
  std::vector<RingStream> streams_;  // ring r of cpu c at c * RINGS + r
  std::vector<std::pair<uint64_t, uint32_t>> heap_;
  Mapped<event_counters> counters_;
  Mapped<event_filter> filter_;
  event_filter shadow_ = {};  // what we last wrote there
  uint64_t integrity_looked_ns_ = 0;
  std::vector<uint64_t> dropped_seen_;
  Shield shield_;
  std::string protection_ = "off";
  Fd epoll_;
  Fd timer_;
  bool armed_ = false;
  uint64_t loss_looked_ns_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BpfSource>> BpfSource::Open(const BpfOptions& options) {
  auto source = std::make_unique<Source>(options);
  RETURN_IF_ERROR(source->Start());
  return std::unique_ptr<BpfSource>(std::move(source));
}

absl::string_view RingName(uint32_t ring) {
  static constexpr const char* kNames[] = {"critical", "normal", "bulk"};
  return ring < RINGS ? kNames[ring] : "unknown";
}

uint64_t BootTimeNs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace cairn::capture
