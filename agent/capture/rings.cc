#include "agent/capture/rings.h"

#include <bpf/bpf.h>
#include <errno.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/capture/merge.h"
#include "agent/capture/pins.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

size_t LaneBytes(uint32_t ring_bytes, uint32_t cpus) {
  const LaneShape shape(ring_bytes);
  return size_t{cpus} * LANES * shape.chunks * (shape.chunk_bytes + LANE_SLACK);
}

}  // namespace

absl::string_view RingName(uint32_t ring) {
  static constexpr const char* kNames[] = {"critical", "attempt", "packet", "normal", "bulk"};
  return ring < RINGS ? kNames[ring] : "unknown";
}

uint32_t RingNumber(absl::string_view name) {
  uint32_t ring = 0;
  while (ring < RINGS && RingName(ring) != name) ++ring;
  return ring;
}

bool Rings::Stream::Head(uint64_t* time_ns) {
  if (*full) return false;
  if (head.empty()) head = ring.Peek();
  if (head.size() < sizeof(event_header)) return false;
  memcpy(time_ns, head.data() + offsetof(event_header, time_ns), sizeof(*time_ns));
  return true;
}

template <typename Sink>
void Rings::Stream::Take(Sink& sink) {
  sink(head);
  head = {};
  ++taken;
  ring.Advance();
  *full |= ring.HoldsMuch();
}

uint32_t FittingRingBytes(uint32_t asked, uint32_t cpus) {
  while (LaneBytes(asked, cpus) > UINT32_MAX) asked /= 2;
  return asked;
}

LaneShape::LaneShape(uint32_t bytes)
    : chunk_bytes(std::min<uint32_t>(bytes, LANE_CHUNK)), chunks(bytes / chunk_bytes) {}

absl::Status Rings::Open(const Options& options) {
  options_ = options;
  RETURN_IF_ERROR(MapLanes());
  for (uint32_t cpu = 0; cpu < options_.cpus; ++cpu) {
    for (uint32_t ring = 0; ring < RING_BUFFERS; ++ring) RETURN_IF_ERROR(OpenBuffer(cpu, ring));
    for (uint32_t lane = 0; lane < LANES; ++lane) OpenLane(cpu, lane);
  }
  return absl::OkStatus();
}

absl::Status Rings::OpenBuffer(uint32_t cpu, uint32_t ring) {
  ASSIGN_OR_RETURN(Fd fd, BufferOf(cpu * RING_BUFFERS + ring));
  ASSIGN_OR_RETURN(Ring mapped, Ring::Map(fd.get(), options_.bytes));
  streams_.push_back(Stream{std::move(mapped), &full_});
  fds_.push_back(std::move(fd));
  return absl::OkStatus();
}

void Rings::OpenLane(uint32_t cpu, uint32_t lane) {
  const LaneShape shape(options_.bytes);
  const size_t stride = size_t{shape.chunks} * (shape.chunk_bytes + LANE_SLACK);
  const __u64* const head = &options_.counters[cpu].head[lane];
  const Lane place = {.tail = reinterpret_cast<uint64_t*>(&options_.marks[cpu].tail[lane]),
                      .head = reinterpret_cast<const uint64_t*>(head),
                      .chunks = lanes_.get() + (cpu * LANES + lane) * stride,
                      .chunk_bytes = shape.chunk_bytes};
  streams_.push_back(Stream{Ring(place, options_.bytes), &full_});
}

absl::Status Rings::MapLanes() {
  return lanes_.Map(options_.lanes, LaneBytes(options_.bytes, options_.cpus));
}

// As a run before this one left it, or a new one. By name: CAP_SYS_ADMIN, which finding it by its
// number takes, was given up.
absl::StatusOr<Fd> Rings::BufferOf(uint32_t i) const {
  const std::string pin =
      options_.pins == nullptr ? "" : options_.pins->Path(absl::StrCat("ring_", i));
  if (options_.left) {
    Fd left(bpf_obj_get(pin.c_str()));
    if (!left.valid()) return ErrnoStatus(errno, absl::StrCat("take over ", pin));
    return left;
  }
  Fd fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "cairn_ring", 0, 0, options_.bytes, nullptr));
  if (!fd.valid()) return ErrnoStatus(errno, "make a ring");
  const int inner = fd.get();
  if (bpf_map_update_elem(options_.outer, &i, &inner, BPF_ANY) != 0) {
    return ErrnoStatus(errno, "add a ring");
  }
  if (!pin.empty() && bpf_obj_pin(fd.get(), pin.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("pin ", pin));
  }
  return fd;
}

void Rings::Skip() {
  for (Stream& stream : streams_) stream.ring.Peek();
  Release();
}

size_t Rings::Drain(uint64_t limit_ns, absl::FunctionRef<void(absl::string_view)> sink) {
  full_ = false;
  return Merge(streams_, limit_ns, heap_, sink);
}

void Rings::Release() {
  for (Stream& stream : streams_) stream.ring.Release();
}

void Rings::Repair(absl::FunctionRef<void(const std::string&)> sink) {
  for (uint32_t i = 0; i < streams_.size(); ++i) {
    if (!streams_[i].ring.WasMoved()) continue;
    sink(absl::StrCat("a position of the ", RingName(i % RINGS), " ring of cpu ", i / RINGS,
                      " was moved; put back"));
  }
  for (uint32_t i = 0; i < fds_.size(); ++i) {
    bpf_map_info ring = {};
    uint32_t size = sizeof(ring), id = 0;
    const int inner = fds_[i].get();
    if (bpf_obj_get_info_by_fd(inner, &ring, &size) != 0) continue;
    if (options_.pins != nullptr) options_.pins->Repair(absl::StrCat("ring_", i), inner, sink);
    const bool there = bpf_map_lookup_elem(options_.outer, &i, &id) == 0;  // gives the ring's id
    if (there && id == ring.id) continue;
    const bool restored = bpf_map_update_elem(options_.outer, &i, &inner, BPF_ANY) == 0;
    sink(absl::StrCat("the ", RingName(i % RING_BUFFERS), " ring of cpu ", i / RING_BUFFERS,
                      " was ", there ? "replaced" : "deleted", restored ? "; put back" : ""));
  }
}

bool Rings::HasData() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const Stream& stream) { return stream.ring.HasData(); });
}

uint64_t Rings::OldestNs() {
  uint64_t oldest = UINT64_MAX, time = 0;
  for (Stream& stream : streams_) {
    if (stream.Head(&time)) oldest = std::min(oldest, time);
  }
  return oldest;
}

}  // namespace cairn::capture
