// Finds the serials that never came. The kernel numbers audit events without gaps, but hands
// them out a little out of order.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_SERIALS_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_SERIALS_H_

#include <bitset>
#include <cstddef>
#include <cstdint>

namespace cairn::capture {

// Serials `from` to `to` inclusive, of which `missing` were not seen.
struct AuditGap {
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t missing = 0;
};

// Constant memory. A serial is given up when a later one has been seen for `kPatienceNs`, or
// when it falls out of the window. Times are of any one clock. One thread.
class AuditSerials {
 public:
  static constexpr size_t kWindow = 1 << 16;
  static constexpr uint64_t kPatienceNs = 3'000'000'000;

  // Notes one serial; the first sets where counting starts. Cheap.
  void See(uint64_t serial, uint64_t now_ns);

  // The serials given up since the last call, as one range; missing == 0 when there are none.
  // `last`: nothing more comes, so nothing is waited for.
  AuditGap TakeGap(uint64_t now_ns, bool last = false);

  // Forgets everything: the stream starts anew (a new kernel, a socket reopened).
  void Reset() { *this = AuditSerials(); }

 private:
  void AdvanceTo(uint64_t serial);  // gives up what is missing up to and including `serial`

  std::bitset<kWindow> seen_;  // of base_ + 1 ... base_ + kWindow, by serial % kWindow
  uint64_t base_ = 0;          // all up to here is settled; 0: nothing seen yet
  uint64_t highest_ = 0;
  uint64_t mark_ = 0;  // what was the highest at mark_ns_
  uint64_t mark_ns_ = 0;
  AuditGap gap_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_SERIALS_H_
