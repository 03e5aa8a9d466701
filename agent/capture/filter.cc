#include "agent/capture/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/capture/syscalls.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr size_t kMaxKeys = 8192;  // bpf/maps.h, GUARDS

event_guard GuardOf(uint32_t type, const std::string& components) {
  event_guard guard = {};
  guard.type = type;
  memcpy(guard.top, components.data(), std::min(components.size(), sizeof(guard.top)));
  return guard;
}

// The first one or two whole components of a path that `text` is or begins, as the kernel has
// them: "/var/lib/x" is "lib/var/". False: no object has such a path, or any may.
enum class Top { kKnown, kNever, kAny };
Top TopOf(const std::string& text, bool prefix, std::string* components) {
  if (!absl::StartsWith(text, "/")) return prefix && text.empty() ? Top::kAny : Top::kNever;
  std::vector<absl::string_view> parts = absl::StrSplit(absl::string_view(text).substr(1), '/');
  if (prefix) parts.pop_back();  // not whole, or empty
  components->clear();
  if (parts.empty()) return Top::kAny;
  if (parts.size() > 2) parts.resize(2);
  for (const absl::string_view part : parts) {
    if (part.empty() && text != "/") return Top::kNever;
    if (!part.empty()) *components = absl::StrCat(part, "/", *components);
  }
  return Top::kKnown;
}

void SetBits(const std::bitset<256>& types, __u64* words) {
  for (size_t word = 0; word < EVENT_TYPES / 64; ++word) {
    uint64_t bits = 0;
    for (size_t bit = 0; bit < 64; ++bit) {
      if (types.test(word * 64 + bit)) bits |= uint64_t{1} << bit;
    }
    __atomic_store_n(&words[word], bits, __ATOMIC_SEQ_CST);
  }
}

}  // namespace

absl::Status Filter::Open(int filters, int guards, int verdicts, const FilterOptions& options) {
  RETURN_IF_ERROR(filter_.Map(filters, 1));
  guards_ = guards;
  verdicts_.Open(verdicts);
  push_down_ = options.push_down;
  size_t slot = 0;
  filter_->own[slot++] = static_cast<uint32_t>(getpid());
  for (const int pid : options.own_pids) {
    if (slot < EVENT_OWN && pid > 0) filter_->own[slot++] = static_cast<uint32_t>(pid);
  }
  while (slot < EVENT_OWN) filter_->own[slot++] = 0;
  filter_->ring_bytes = options.ring_bytes;
  filter_->process_rate = options.process_rate;
  filter_->format = EVENT_FORMAT;
  event_guard key, next;
  for (void* at = nullptr; bpf_map_get_next_key(guards_, at, &next) == 0; at = &key) {
    key = next;
    keys_.emplace(key.type, std::string(key.top, strnlen(key.top, sizeof(key.top))));
  }
  return absl::OkStatus();
}

void Filter::Activate(uint32_t generation) {
  __atomic_store_n(&filter_->generation, generation, __ATOMIC_SEQ_CST);
  shadow_ = *filter_.get();
}

// Types whose paths cannot be told by their first components are no longer guarded.
std::set<Filter::Key> Filter::KeysOf(policy::Guards* guards) const {
  std::set<Key> keys;
  std::string top;
  for (const policy::Guard& guard : guards->list) {
    if (guard.of != policy::Guard::kPath) continue;
    for (const std::string& text : guard.texts) {
      const Top found = TopOf(text, guard.prefix, &top);
      if (found == Top::kAny) guards->guarded &= ~guard.types;
      if (found != Top::kKnown) continue;
      for (uint32_t type = 0; type < EVENT_TYPES; ++type) {
        if (guard.types.test(type)) keys.emplace(type, top.substr(0, EVENT_TOP_LEN));
      }
    }
  }
  if (keys.size() > kMaxKeys / 2) {  // the old ones are there too for a moment
    guards->guarded.reset();
    keys.clear();
  }
  return keys;
}

absl::Status Filter::AddKeys(const std::set<Key>& keys) {
  const uint8_t yes = 1;
  for (const Key& key : keys) {
    const event_guard guard = GuardOf(key.first, key.second);
    if (bpf_map_update_elem(guards_, &guard, &yes, BPF_ANY) != 0) {
      return ErrnoStatus(errno, "push a path down");
    }
  }
  return absl::OkStatus();
}

// What lets more through comes first, what lets less through last.
absl::Status Filter::Set(const policy::Wanted& wanted, const policy::Guards& guards) {
  in_force_ = guards;
  if (!push_down_) in_force_.guarded.reset();
  std::set<Key> keys = KeysOf(&in_force_);
  RETURN_IF_ERROR(AddKeys(keys));
  by_process_ = in_force_.by_process().any();
  __atomic_add_fetch(&filter_->epoch, 1, __ATOMIC_SEQ_CST);  // no verdict holds any more
  WriteBits(wanted);
  keys_.swap(keys);
  for (const Key& old : keys) {
    if (keys_.contains(old)) continue;
    const event_guard guard = GuardOf(old.first, old.second);
    bpf_map_delete_elem(guards_, &guard);
  }
  shadow_ = *filter_.get();
  return absl::OkStatus();
}

void Filter::WriteBits(const policy::Wanted& wanted) {
  const std::bitset<256> nothing;
  SetBits(nothing, filter_->guarded);
  SetBits(in_force_.by_path(), filter_->by_path);
  SetBits(in_force_.by_process(), filter_->by_process);
  FillFilter(wanted, filter_.get());
  SetBits(in_force_.guarded, filter_->guarded);
}

void Filter::Judge(const Process& process, uint64_t exec_id) {
  if (!by_process_ || exec_id == 0) return;
  event_verdict verdict = {};
  verdict.start_ns = process.start_ns();
  verdict.exec_id = exec_id;
  verdict.epoch = filter_->epoch;
  verdict.uid = process.uid();
  verdict.euid = process.euid();
  verdict.auid = process.auid();
  SetBits(in_force_.MutedFor(process), verdict.muted);
  verdicts_.Put(process.pid(), verdict);
}

void Filter::Repair(absl::FunctionRef<void(const std::string&)> sink) {
  event_filter kernel = *filter_.get();
  kernel.asleep = shadow_.asleep;
  kernel.settled_ns = shadow_.settled_ns;
  // Byte by byte, padding too: both come from the same zeroed map value.
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
  if (memcmp(&kernel, &shadow_, sizeof(kernel)) != 0) {
    shadow_.asleep = filter_->asleep;
    shadow_.settled_ns = filter_->settled_ns;
    *filter_.get() = shadow_;
    sink("somebody else wrote to the filter of our BPF programs; put back");
  }
  verdicts_.Repair(sink);
  uint8_t value;
  size_t gone = 0;
  for (const Key& key : keys_) {
    const event_guard guard = GuardOf(key.first, key.second);
    gone += bpf_map_lookup_elem(guards_, &guard, &value) != 0;
  }
  if (gone == 0) return;
  const bool restored = AddKeys(keys_).ok();
  sink(absl::StrCat(gone, " paths were deleted from the filter of our BPF programs",
                    restored ? "; put back" : ""));
}

std::string Filter::InKernel() const {
  event_filter kernel = *filter_.get();
  kernel.asleep = 0;
  kernel.settled_ns = kernel.epoch = 0;
  std::set<std::string> sorted;  // the kernel has them in no order
  event_guard key, next;
  for (void* at = nullptr; bpf_map_get_next_key(guards_, at, &next) == 0; at = &key) {
    key = next;
    sorted.emplace(reinterpret_cast<const char*>(&key), sizeof(key));
    if (sorted.size() > kMaxKeys) break;
  }
  std::string bytes(reinterpret_cast<const char*>(&kernel), sizeof(kernel));
  for (const std::string& guard : sorted) bytes += guard;
  return bytes + verdicts_.Differences();
}

}  // namespace cairn::capture
