// The log directory as the shipper sees it: files are the queue (proto/FORMAT.md §1).
// Reads only. Nothing beyond what the file `checkpoint` states is ever handed out.
#ifndef CAIRN_AGENT_SHIPPER_SOURCE_H_
#define CAIRN_AGENT_SHIPPER_SOURCE_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "ledger/frame.h"

namespace cairn::shipper {

// A place in a log: byte `offset` of segment `epoch`.
struct Cursor {
  uint64_t epoch = 0;
  uint64_t offset = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): of the operator it is not
  friend auto operator<=>(const Cursor&, const Cursor&) = default;
};

// A signed checkpoint met on the way.
struct SentNote {
  uint64_t size = 0;  // blocks
  std::string note;
};

// What one block says of its time, for measuring exposure.
struct SentBlock {
  uint64_t end = 0;  // blocks of the log up to and with this one
  uint32_t records = 0;
  uint64_t last_time_ns = 0;  // CLOCK_BOOTTIME
  bool urgent = false;
};

// Whole frames of one segment, in order (the header counts as one).
struct Piece {
  Cursor at;
  std::string bytes;            // empty: nothing to ship just now
  std::vector<SentNote> notes;  // the CHECKPOINT frames in it
  std::vector<SentBlock> blocks;
  bool urgent = false;  // some block of it is
};

// One log directory. One thread.
class LogSource {
 public:
  // NotFound: no log there yet. InvalidArgument: not a log.
  static absl::StatusOr<LogSource> Open(const std::string& dir);

  // Reads `checkpoint` again. NotFound: the log has no checkpoint yet.
  absl::Status Refresh();

  // The next frames from `at`, at most `max_bytes` (>= 64 KiB + 9), and where to go on. At the
  // end of a segment that has a successor `at` moves to that one first. DataLoss: the file is
  // damaged, with file, byte and cause; NotFound: retention took the segment.
  absl::StatusOr<Piece> Read(Cursor* at, size_t max_bytes);

  const std::string& dir() const { return dir_; }
  const std::string& origin() const { return origin_; }
  const std::string& log_key() const { return log_key_; }  // as a verifier key
  // The note by which the key before names this one; empty: none.
  const std::string& rotation() const { return rotation_; }
  const std::string& note() const { return note_; }  // newest checkpoint
  uint64_t size() const { return size_; }            // blocks it covers
  Cursor limit() const { return limit_; }
  absl::StatusOr<uint64_t> FirstEpoch() const;

 private:
  explicit LogSource(std::string dir) : dir_(std::move(dir)) {}
  absl::StatusOr<uint64_t> End(uint64_t epoch);  // bytes of the segment that may be shipped
  absl::Status OpenSegment(uint64_t epoch);
  absl::Status Cut(Piece* piece);  // to whole frames, noting what they hold
  void Note(const ledger::FrameView& frame, Piece* piece);

  std::string dir_;
  std::string origin_;
  std::string log_key_;
  std::string rotation_;
  std::string note_;
  uint64_t size_ = 0;
  Cursor limit_;
  std::map<uint64_t, uint64_t> ends_;  // finished segments; at most a few
  uint64_t open_epoch_ = 0;
  Fd file_;
  Cursor next_;                         // where the last piece ended
  std::optional<uint64_t> next_block_;  // its index, once a header or COMMIT told it
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_SOURCE_H_
