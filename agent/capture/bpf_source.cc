#include "agent/capture/bpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/capture/kernel_features.h"
#include "agent/capture/merge.h"
#include "agent/capture/ring.h"
#include "agent/capture/syscalls.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/status.h"
#include "bpf/cairn.skel.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kBusyNapNs = 1'000'000;  // between looks while events come
constexpr uint64_t kLossLookNs = 100'000'000;

std::string* LastWords() {
  static auto* words = new std::string;
  return words;
}

// Keeps libbpf's last warning, which says why the kernel refused.
int KeepWarning(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int length = vsnprintf(line, sizeof(line), format, args);
  if (length > 0 && LastWords()->empty()) {
    *LastWords() = std::string(absl::StripSuffix(line, "\n"));
  }
  return 0;
}

absl::Status BpfError(int error, absl::string_view what) {
  absl::Status status = ErrnoStatus(error < 0 ? -error : error, what);
  if (LastWords()->empty()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), " (", *LastWords(), ")"));
}

struct Skeleton {
  cairn_bpf* object = nullptr;
  Skeleton() = default;
  Skeleton(const Skeleton&) = delete;
  Skeleton& operator=(const Skeleton&) = delete;
  ~Skeleton() { cairn_bpf__destroy(object); }
};

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
    LastWords()->clear();
    libbpf_set_print(KeepWarning);
    cpus_ = static_cast<uint32_t>(libbpf_num_possible_cpus());
    if (cpus_ == 0 || cpus_ > EVENT_CPUS) {
      return absl::UnimplementedError(absl::StrCat(cpus_, " cpus: at most ", int{EVENT_CPUS}));
    }
    RETURN_IF_ERROR(Load());
    RETURN_IF_ERROR(MapShared());
    RETURN_IF_ERROR(MakeRings());
    RETURN_IF_ERROR(WireHandlers());
    RETURN_IF_ERROR(MakeWait());
    return Attach();
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
    const auto& progs = skeleton_.object->progs;
    auto& links = skeleton_.object->links;
    RETURN_IF_ERROR(AttachWhile(wanted.Has(FILE_CLOSE), progs.enter_close, -1, &links.enter_close));
    const bool dns = wanted.Has(NET_DNS);
    if (dns && !cgroup_.valid()) cgroup_ = OpenRootCgroup();
    if (dns && !cgroup_.valid()) {
      LogWarning("no unified control group hierarchy is mounted: no net.dns events");
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(AttachWhile(dns, progs.dns_out, cgroup_.get(), &links.dns_out));
    return AttachWhile(dns, progs.dns_in, cgroup_.get(), &links.dns_in);
  }

  void FillHeartbeat(Heartbeat* heartbeat) const override {
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

  const std::string& name() const override { return name_; }
  const std::string& reason() const override { return reason_; }

 private:
  // With security hooks where the kernel allows it, else without.
  absl::Status Load() {
    if (LoadWith(true).ok() && AttachHooks().ok()) {
      name_ = "lsm";
      reason_ = "security hooks are traced";
      return absl::OkStatus();
    }
    reason_ = absl::StrCat("no security hooks: ", *LastWords());
    LastWords()->clear();
    cairn_bpf__destroy(std::exchange(skeleton_.object, nullptr));
    return LoadWith(false);
  }

  std::vector<std::pair<bpf_program*, bpf_link**>> Hooks() {
    const auto& progs = skeleton_.object->progs;
    auto& links = skeleton_.object->links;
    return {{progs.see_unlink, &links.see_unlink},   {progs.see_rmdir, &links.see_rmdir},
            {progs.see_mkdir, &links.see_mkdir},     {progs.see_mknod, &links.see_mknod},
            {progs.see_symlink, &links.see_symlink}, {progs.see_chmod, &links.see_chmod},
            {progs.see_chown, &links.see_chown},     {progs.see_truncate, &links.see_truncate},
            {progs.see_link, &links.see_link},       {progs.see_rename, &links.see_rename}};
  }

  // Programs that cost every call, or every packet, are attached only while they are wanted.
  static absl::Status AttachWhile(bool wanted, bpf_program* program, int cgroup, bpf_link** link) {
    if (wanted == (*link != nullptr)) return absl::OkStatus();
    if (!wanted) {
      bpf_link__destroy(std::exchange(*link, nullptr));
      return absl::OkStatus();
    }
    *link = cgroup < 0 ? bpf_program__attach(program) : bpf_program__attach_cgroup(program, cgroup);
    if (*link != nullptr) return absl::OkStatus();
    return BpfError(errno, absl::StrCat("attach ", bpf_program__name(program)));
  }

  absl::Status AttachHooks() {
    for (const auto& [program, link] : Hooks()) {
      *link = bpf_program__attach(program);
      if (*link == nullptr) {
        return BpfError(errno, absl::StrCat("attach ", bpf_program__name(program)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status LoadWith(bool hooks) {
    skeleton_.object = cairn_bpf__open();
    if (skeleton_.object == nullptr) return BpfError(errno, "open the BPF object");
    const KernelFeatures kernel = ReadKernelFeatures();
    skeleton_.object->rodata->typed_reads = kernel.typed_reads;
    skeleton_.object->rodata->complete_has_cqe = kernel.complete_has_cqe;
    const auto& progs = skeleton_.object->progs;
    // Before 6.4 the request is this tracepoint's first argument from 5.19 on; older: no io_uring.
    bpf_program__set_autoload(progs.uring_submit_sqe, kernel.uring_submit_sqe);
    bpf_program__set_autoload(progs.uring_submit_req, kernel.uring_submit_req);
    bpf_program__set_autoload(progs.uring_complete, kernel.uring_complete);
    bpf_program__set_autoload(progs.uring_connect, kernel.uring_complete);
    skeleton_.object->rodata->has_hooks = hooks;
    for (const auto& [program, link] : Hooks()) bpf_program__set_autoload(program, hooks);
    auto& maps = skeleton_.object->maps;
    bpf_map__set_max_entries(maps.slots, hooks ? 128 : 1);
    bpf_map__set_max_entries(maps.rings, cpus_ * RINGS);
    bpf_map__set_max_entries(maps.scratches, cpus_);
    bpf_map__set_max_entries(maps.counters, cpus_);
    const int error = cairn_bpf__load(skeleton_.object);
    return error == 0 ? absl::OkStatus() : BpfError(error, "load the BPF programs");
  }

  absl::Status MapShared() {
    auto& maps = skeleton_.object->maps;
    RETURN_IF_ERROR(counters_.Map(bpf_map__fd(maps.counters), cpus_));
    RETURN_IF_ERROR(filter_.Map(bpf_map__fd(maps.filters), 1));
    dropped_seen_.resize(size_t{cpus_} * RINGS * EVENT_TYPES);
    size_t slot = 0;
    filter_->own[slot++] = static_cast<uint32_t>(getpid());
    for (const int pid : options_.ignore_pids) {
      if (slot < EVENT_OWN && pid > 0) filter_->own[slot++] = static_cast<uint32_t>(pid);
    }
    return absl::OkStatus();
  }

  absl::Status MakeRings() {
    const int outer = bpf_map__fd(skeleton_.object->maps.rings);
    for (uint32_t i = 0; i < cpus_ * RINGS; ++i) {
      Fd fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "cairn_ring", 0, 0, options_.ring_bytes, nullptr));
      if (!fd.valid()) return BpfError(errno, "make a ring");
      const int inner = fd.get();
      if (bpf_map_update_elem(outer, &i, &inner, BPF_ANY) != 0)
        return BpfError(errno, "add a ring");
      ASSIGN_OR_RETURN(Ring ring, Ring::Map(inner, options_.ring_bytes));
      streams_.push_back(RingStream{std::move(ring)});
      ring_fds_.push_back(std::move(fd));
    }
    return absl::OkStatus();
  }

  absl::Status SetHandler(uint32_t first, uint32_t last, const bpf_program* program) {
    const int fd = bpf_program__fd(program);
    for (uint32_t call = first; call <= last; ++call) {
      if (bpf_map_update_elem(bpf_map__fd(skeleton_.object->maps.handlers), &call, &fd, BPF_ANY)) {
        return BpfError(errno, "wire a system call to its program");
      }
    }
    return absl::OkStatus();
  }

  absl::Status WireHandlers() {
    const auto& progs = skeleton_.object->progs;
    RETURN_IF_ERROR(SetHandler(CALL_OPEN, CALL_OPEN_HANDLE, progs.call_open));
    RETURN_IF_ERROR(SetHandler(CALL_WRITE, CALL_WRITE, progs.call_write));
    RETURN_IF_ERROR(SetHandler(CALL_READ, CALL_READ, progs.call_read));
    RETURN_IF_ERROR(SetHandler(CALL_SENDFILE, CALL_COPY, progs.call_copy));
    RETURN_IF_ERROR(SetHandler(CALL_MKDIR, CALL_RMDIR, progs.call_path));
    RETURN_IF_ERROR(SetHandler(CALL_RENAME, CALL_LINKAT, progs.call_two_paths));
    RETURN_IF_ERROR(SetHandler(CALL_CHMOD, CALL_TRUNCATE, progs.call_path));
    for (const uint32_t call : {CALL_FCHMOD, CALL_FCHOWN, CALL_FTRUNCATE}) {
      RETURN_IF_ERROR(SetHandler(call, call, progs.call_fd));
    }
    RETURN_IF_ERROR(SetHandler(CALL_CONNECT, CALL_BIND, progs.call_address));
    RETURN_IF_ERROR(SetHandler(CALL_BPF, CALL_BPF, progs.call_bpf));
    RETURN_IF_ERROR(SetHandler(CALL_EXECVE, CALL_EXECVEAT, progs.call_exec));
    RETURN_IF_ERROR(SetHandler(CALL_SETUID, CALL_CAPSET, progs.call_cred));
    RETURN_IF_ERROR(SetHandler(CALL_SETXATTR, CALL_UTIMENSAT, progs.call_path));
    RETURN_IF_ERROR(SetHandler(CALL_FSETXATTR, CALL_FSETXATTR, progs.call_fd));
    RETURN_IF_ERROR(SetHandler(CALL_DUP, CALL_PIPE, progs.call_made));
    RETURN_IF_ERROR(SetHandler(CALL_MMAP, CALL_MPROTECT, progs.call_plain));
    RETURN_IF_ERROR(SetHandler(CALL_SOCKET, CALL_ACCEPT, progs.call_socket));
    RETURN_IF_ERROR(SetHandler(CALL_KILL, CALL_TGKILL, progs.call_plain));
    RETURN_IF_ERROR(SetHandler(CALL_MOUNT, CALL_UMOUNT, progs.call_mount));
    RETURN_IF_ERROR(SetHandler(CALL_MOVE_MOUNT, CALL_MOVE_MOUNT, progs.call_two_paths));
    RETURN_IF_ERROR(SetHandler(CALL_PTRACE, CALL_SETNS, progs.call_plain));
    if (bpf_program__autoload(progs.uring_connect)) {
      const uint32_t zero = 0;
      const int fd = bpf_program__fd(progs.uring_connect);
      const int map = bpf_map__fd(skeleton_.object->maps.uring_handlers);
      if (bpf_map_update_elem(map, &zero, &fd, BPF_ANY)) return BpfError(errno, "wire io_uring");
    }
    return SetHandler(CALL_INIT_MODULE, CALL_DELETE_MODULE, progs.call_module);
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

  absl::Status Attach() {
    const auto& progs = skeleton_.object->progs;
    auto& links = skeleton_.object->links;
    const std::pair<bpf_program*, bpf_link**> hooks[] = {
        {progs.process_exec, &links.process_exec},
        {progs.process_fork, &links.process_fork},
        {progs.process_exit, &links.process_exit},
        {progs.uring_submit_sqe, &links.uring_submit_sqe},
        {progs.uring_submit_req, &links.uring_submit_req},
        {progs.uring_complete, &links.uring_complete},
        {progs.sys_exit, &links.sys_exit},
    };
    for (const auto& [program, link] : hooks) {
      if (!bpf_program__autoload(program)) continue;
      *link = bpf_program__attach(program);
      if (*link == nullptr) {
        return BpfError(errno, absl::StrCat("attach ", bpf_program__name(program)));
      }
    }
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
  std::string name_ = "tracepoint";
  std::string reason_;
  uint32_t cpus_ = 0;
  Skeleton skeleton_;
  std::vector<Fd> ring_fds_;
  std::vector<RingStream> streams_;  // ring r of cpu c at c * RINGS + r
  std::vector<std::pair<uint64_t, uint32_t>> heap_;
  Mapped<event_counters> counters_;
  Mapped<event_filter> filter_;
  std::vector<uint64_t> dropped_seen_;
  Fd cgroup_;  // the root of the unified hierarchy
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
