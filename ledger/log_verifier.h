// The parts of VerifyLog: reading the segments and joining them (verifier.cc), and what that is
// worth (verdict.cc).
#ifndef CAIRN_LEDGER_LOG_VERIFIER_H_
#define CAIRN_LEDGER_LOG_VERIFIER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "ledger/outside.h"
#include "ledger/retained.h"
#include "ledger/segment_check.h"
#include "ledger/segments.h"
#include "ledger/verifier.h"

namespace cairn::ledger {

// Segments are checked by several threads, each by itself, and taken in order: what is kept of
// them is the one before the next.
class LogVerifier {
 public:
  LogVerifier(std::string path, const VerifyOptions& options)
      : path_(std::move(path)), options_(options) {}

  Report Run() {
    const absl::Status status = Prepare();
    if (!status.ok()) {
      report_.verdict = Verdict::kBadInput;
      report_.notes.emplace_back(status.message());
      return report_;
    }
    CheckSegments();
    JudgeTail();
    JudgeOutside();
    Conclude();
    return report_;
  }

 private:
  static constexpr size_t kMaxListed = 10000;  // findings, ranges, notes

  absl::Status Prepare();
  absl::Status FindSegments();
  absl::Status FindKey();
  void FollowRotation();
  absl::Status FindOutside();
  void CheckSegments();
  SegmentCheck CheckOne(const SegmentInfo& info);
  void HandIn(size_t index, SegmentCheck check) ABSL_LOCKS_EXCLUDED(mutex_);
  void Take(SegmentCheck check);
  bool IsOnlyBegun(const SegmentCheck& check) const;
  void Link(SegmentCheck* linked);
  std::optional<Mismatch> FollowTagKeys(const SegmentEnd& before, SegmentCheck* check);
  std::optional<Mismatch> Compare(const SegmentEnd& before, const SegmentCheck& check) const;
  void Count(const SegmentCheck& check);
  void JudgeTail();
  void JudgeOutside();
  bool BeginningRetained();
  bool NoTagChecked();
  void Conclude();
  Finding AtEnd(absl::string_view code, std::string detail) const;
  void Found(Finding finding) {
    if (report_.findings.size() < kMaxListed) report_.findings.push_back(std::move(finding));
  }
  void Say(std::string note) {
    if (report_.notes.size() < kMaxListed) report_.notes.push_back(std::move(note));
  }

  const std::string path_;
  const VerifyOptions& options_;
  bool directory_ = false;
  std::optional<VerifierKey> key_;
  std::unique_ptr<Outside> outside_;
  std::optional<CheckpointFile> checkpoint_file_;
  std::vector<SegmentInfo> segments_;
  uint64_t total_bytes_ = 0;
  std::atomic<uint64_t> done_bytes_{0};
  size_t window_ = 1;  // segments that may be handed in before their turn

  absl::Mutex mutex_;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;  // segments
  std::map<size_t, SegmentCheck> early_ ABSL_GUARDED_BY(mutex_);

  // Written in the order of the segments, under mutex_ while threads run.
  Report report_;
  std::optional<SegmentCheck> last_;  // the newest taken
  bool first_seen_ = false;           // the first segment's header
  bool unreadable_ = false;
  Retained retained_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LOG_VERIFIER_H_
