#include "agent/capture/verdicts.h"

#include <bpf/bpf.h>
#include <errno.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace cairn::capture {
namespace {

constexpr size_t kMaxVerdicts = 32768;  // bpf/maps.h, VERDICTS
constexpr uint32_t kBatch = 1024;       // entries a call; more than any bucket of the table holds

bool Same(const event_verdict& a, const event_verdict& b) {
  // Without padding, and both were zeroed whole.
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
  return memcmp(&a, &b, sizeof(a)) == 0;
}

// Hands out every entry of the map. False: the kernel did not give them all.
bool ForEach(int fd, absl::FunctionRef<void(uint32_t, const event_verdict&)> each) {
  std::vector<uint32_t> pids(kBatch);
  std::vector<event_verdict> verdicts(kBatch);
  uint32_t position = 0;
  for (void* from = nullptr;; from = &position) {
    uint32_t count = kBatch;
    const int failed =
        bpf_map_lookup_batch(fd, from, &position, pids.data(), verdicts.data(), &count, nullptr);
    if (failed != 0 && errno != ENOENT) return false;
    for (uint32_t i = 0; i < count; ++i) each(pids[i], verdicts[i]);
    if (failed != 0) return true;  // that was the end
  }
}

}  // namespace

void Verdicts::Open(int fd) {
  fd_ = fd;
  written_.clear();
  std::vector<uint32_t> pids;
  ForEach(fd_, [&](uint32_t pid, const event_verdict&) { pids.push_back(pid); });
  for (const uint32_t pid : pids) bpf_map_delete_elem(fd_, &pid);
}

void Verdicts::Put(uint32_t pid, const event_verdict& verdict) {
  if (written_.size() >= kMaxVerdicts && !written_.contains(pid)) {
    for (const auto& [old, unused] : written_) bpf_map_delete_elem(fd_, &old);
    written_.clear();
  }
  if (written_.empty()) written_.reserve(kMaxVerdicts);  // no event waits for the table to grow
  if (bpf_map_update_elem(fd_, &pid, &verdict, BPF_ANY) == 0) written_[pid] = verdict;
}

void Verdicts::Forget(uint32_t pid) {
  if (written_.erase(pid) != 0) bpf_map_delete_elem(fd_, &pid);
}

std::vector<Verdicts::Difference> Verdicts::Compare() const {
  std::vector<Difference> differences;
  size_t ours = 0;
  const auto look = [&](uint32_t pid, const event_verdict& found) {
    const auto written = written_.find(pid);
    ours += written != written_.end();
    if (written != written_.end() && Same(written->second, found)) return;
    differences.push_back({pid, false, found});
  };
  if (!ForEach(fd_, look) || ours == written_.size()) return differences;
  for (const auto& [pid, verdict] : written_) {
    event_verdict found;
    if (bpf_map_lookup_elem(fd_, &pid, &found) == 0) continue;
    differences.push_back({pid, true, {}});
  }
  return differences;
}

void Verdicts::Repair(absl::FunctionRef<void(const std::string&)> sink) {
  const std::vector<Difference> differences = Compare();
  if (differences.empty()) return;
  size_t deleted = 0, failed = 0;
  for (const Difference& difference : differences) {
    deleted += difference.deleted;
    const auto written = written_.find(difference.pid);
    const int result = written == written_.end()
                           ? bpf_map_delete_elem(fd_, &difference.pid)
                           : bpf_map_update_elem(fd_, &difference.pid, &written->second, BPF_ANY);
    failed += result != 0;
  }
  sink(absl::StrCat("somebody else changed what our BPF programs let pass of processes: ",
                    differences.size() - deleted, " written, ", deleted, " deleted, first process ",
                    differences.front().pid, failed == 0 ? "; put back" : ""));
}

std::string Verdicts::Differences() const {
  std::vector<Difference> differences = Compare();
  std::sort(differences.begin(), differences.end(),
            [](const Difference& a, const Difference& b) { return a.pid < b.pid; });
  std::string bytes;
  for (const Difference& difference : differences) {
    absl::StrAppend(&bytes, difference.pid, difference.deleted ? "-" : "+");
    bytes.append(reinterpret_cast<const char*>(&difference.found), sizeof(difference.found));
  }
  return bytes;
}

}  // namespace cairn::capture
