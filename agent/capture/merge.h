// Many streams, each in time order, as one.
#ifndef CAIRN_AGENT_CAPTURE_MERGE_H_
#define CAIRN_AGENT_CAPTURE_MERGE_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace cairn::capture {

// Hands out the heads of `streams` by rising time until none is at or before `limit_ns`.
// Stream: bool Head(uint64_t* time_ns), and Take(sink) which hands the head out and passes it.
// A head older than one already handed out is handed out at once. After a Take no stream need have
// a head any more: then nothing else is handed out, also of those whose head was seen before, since
// what comes before it in another stream would follow it. `heap` is reused.
template <typename Stream, typename Sink>
size_t Merge(std::vector<Stream>& streams, uint64_t limit_ns,
             std::vector<std::pair<uint64_t, uint32_t>>& heap, Sink&& sink) {
  const auto later = [](const auto& a, const auto& b) { return a.first > b.first; };
  size_t count = 0;
  heap.clear();
  uint64_t time = 0;
  for (uint32_t i = 0; i < streams.size(); ++i) {
    if (streams[i].Head(&time) && time <= limit_ns) heap.emplace_back(time, i);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const uint32_t index = heap.back().second;
    heap.pop_back();
    const uint64_t next = heap.empty() ? limit_ns : heap.front().first;
    while (streams[index].Head(&time) && time <= next) {
      streams[index].Take(sink);
      ++count;
    }
    if (streams[index].Head(&time) && time <= limit_ns) {
      heap.emplace_back(time, index);
      std::push_heap(heap.begin(), heap.end(), later);
    }
  }
  return count;
}

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_MERGE_H_
