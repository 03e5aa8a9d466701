// Verified records of one log, out of a collector's store, to a sink: resumable, at least once.
// docs/export.md.
#ifndef CAIRN_COLLECTOR_EXPORT_EXPORTER_H_
#define CAIRN_COLLECTOR_EXPORT_EXPORTER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "collector/export/sink.h"
#include "ledger/block_records.h"
#include "ledger/stream_verifier.h"

namespace cairn::collector {

enum class ExportFormat { kOcsf, kJson };

struct ExportOptions {
  std::string log_dir;     // of one incarnation, with log.vkey
  std::string state_file;  // how far it went: "epoch N\nsequence N\n"; empty: begins anew
  ExportFormat format = ExportFormat::kOcsf;
};

// Only blocks that a checkpoint by the log's key covers are exported: it runs the verifier itself.
// One thread.
class Exporter {
 public:
  // `sink` outlives this. NotFound: no log there yet.
  static absl::StatusOr<std::unique_ptr<Exporter>> Open(ExportOptions options, Sink* sink);

  // Exports what there is and is not yet. True: there was something. DataLoss: the stored log does
  // not verify; nothing behind that is ever exported. Unavailable: the sink; call Restart.
  absl::StatusOr<bool> Poll();
  // Goes back to what the state file says arrived.
  absl::Status Restart();

  uint64_t records() const { return records_; }

 private:
  struct Waiting {  // a block that no checkpoint covers yet
    std::shared_ptr<const SegmentHeader> segment;
    uint64_t index;
    std::string stored;
  };

  Exporter(ExportOptions options, Sink* sink);
  absl::Status OpenSegment(uint64_t epoch);
  absl::StatusOr<bool> NextSegment();
  absl::Status Emit(uint64_t size);
  absl::Status EmitBlock(const Waiting& block);
  absl::Status Save();

  const ExportOptions options_;
  Sink* const sink_;
  std::optional<ledger::VerifierKey> key_;
  std::unique_ptr<ledger::StreamVerifier> verifier_;
  ledger::BlockRecords walk_;
  std::string host_;
  Fd file_;
  std::string path_;
  std::shared_ptr<const SegmentHeader> reading_;  // of the open file; null before its first block
  std::shared_ptr<const SegmentHeader> walking_;  // of the block emitted last
  uint64_t epoch_ = 0;                            // being read
  uint64_t offset_ = 0;
  std::deque<Waiting> waiting_;
  absl::Status emitted_;  // of the callbacks
  uint64_t next_ = 0;     // the first record that was not exported
  uint64_t saved_ = 0;
  uint64_t records_ = 0;
  std::string line_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_EXPORT_EXPORTER_H_
