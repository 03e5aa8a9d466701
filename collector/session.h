// One host's session, without the network: bytes in, bytes out. The collector's side of
// proto/wire.proto; nothing a host says is believed unchecked.
#ifndef CAIRN_COLLECTOR_SESSION_H_
#define CAIRN_COLLECTOR_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/core.h"
#include "proto/wire.h"

namespace cairn::collector {

// When a host that was refused may try again, in seconds.
inline constexpr uint32_t kRetryTampered = 60;
inline constexpr uint32_t kRetryStorage = 5;

// Who the TLS handshake proved the other side to be.
struct Peer {
  std::string address;
  std::vector<std::string> uris;                  // of its certificate
  absl::Time not_after = absl::InfiniteFuture();  // of its certificate
  bool enrolling = false;                         // on the listener that asks for no certificate
};

// A log on its way to the session that claimed it.
class Opening {
 public:
  Opening(LogClaim log, Origin origin, ledger::VerifierKey key)
      : log_(std::move(log)), origin_(std::move(origin)), key_(std::move(key)) {}
  // Reads and verifies its newest segment, which waits for the disk. Once, any thread.
  void Run();
  // Nobody wants it any more: Run does nothing, should it come. Any thread.
  void Abandon() { abandoned_.store(true); }

 private:
  friend class Session;
  LogClaim log_;
  const Origin origin_;
  const ledger::VerifierKey key_;
  std::atomic<bool> abandoned_{false};
  absl::Status opened_;
  std::optional<DueReceipt> due_;  // what was verified and never receipted ...
  absl::Status synced_;            // ... and is durable now
};

// One thread at a time.
class Session {
 public:
  // `opens_elsewhere`: whoever runs it calls BeginOpening behind OnBytes and OnTick; else logs are
  // opened within them.
  Session(Core* core, Peer peer, bool opens_elsewhere = false);
  ~Session() { StopWaiting(); }

  // Takes what the host sent, appends what is to be answered. False: flush `out`, then close.
  bool OnBytes(absl::string_view bytes, std::string* out);
  // Stable storage, then a receipt, when one is due, on this thread.
  bool Commit(std::string* out);
  // The same in two parts: what is returned wants its Sync, on any thread, before FinishCommit,
  // and nothing else is begun until then. None: no receipt is due.
  std::optional<DueReceipt> BeginCommit();
  bool FinishCommit(const DueReceipt& due, const absl::Status& synced, std::string* out);
  // What is returned wants its Run, on any thread, before FinishOpening. Null: nothing is to be
  // opened. It may outlive the session.
  std::shared_ptr<Opening> BeginOpening();
  bool FinishOpening(Opening* opening, std::string* out);
  // What time makes due: keep-alives, limits. Call at least once a second.
  bool OnTick(std::string* out);
  // Asks the host to go elsewhere.
  void Drain(std::string* out);
  // Its certificate is not good any more: receipts what is due, and refuses it.
  void Distrust(std::string* out);

  // The connection must not be read before this time (rate limit).
  absl::Time read_after() const { return read_after_; }
  const std::string& name() const { return name_; }  // origin, or address before the Hello
  bool greeted() const { return static_cast<bool>(log_); }

 private:
  bool OnFrame(const wire::Frame& frame, std::string* out);
  bool OnHello(const wire::Hello& hello, std::string* out);
  bool OnEnrol(const wire::Enrol& enrol, std::string* out);
  bool OnKeepAlive(const wire::KeepAlive& keep_alive, std::string* out);
  bool Contested(std::string* out);
  bool Open(std::string* out);
  void StopWaiting();
  bool Greet(const Opening& opening, std::string* out);
  bool OnAppend(const wire::Append& append, std::string* out);
  bool CheckHistory(const wire::Hello& hello, std::string* out);
  bool Position(const wire::Hello& hello, std::string* out);
  void Welcome(const wire::Hello& hello, std::string* out);
  bool Reject(const absl::Status& why, absl::string_view bytes, std::string* out);
  bool Refuse(wire::Refusal::Code code, absl::string_view text, std::string* out,
              uint32_t retry_after_s = 0);
  bool GiveReceipt(const DueReceipt& due, const absl::Status& synced, bool announce,
                   std::string* out);
  void GiveArchived(std::string* out);
  bool CheckChallenge(std::string* out);

  Core* const core_;
  const Peer peer_;
  const bool opens_elsewhere_;
  std::string name_;
  wire::FrameParser parser_;
  LogClaim log_;
  std::optional<Origin> origin_;              // once it is this host's
  wire::Hello hello_;                         // what it said, until its log is open
  bool waiting_ = false;                      // for its log, from the Hello to the Welcome
  std::shared_ptr<Preparation> preparation_;  // of the log, by the archiver
  std::shared_ptr<Opening> opening_;          // behind that
  bool opening_due_ = false;                  // nobody has begun it
  std::string shown_note_;                    // the host's, from its Hello
  uint64_t archived_ = 0;                     // blocks the host was told of
  uint64_t challenges_ = 0;                   // answered, of those who want this log
  absl::Time challenged_ = absl::InfiniteFuture();
  uint64_t receipted_records_ = 0;
  bool committing_ = false;  // between BeginCommit and FinishCommit
  absl::Time began_;
  absl::Time heard_;
  absl::Time frame_since_;  // when the frame that is arriving began
  absl::Time pinged_;
  absl::Time saved_;
  absl::Time looked_;
  absl::Time read_after_ = absl::InfinitePast();
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_SESSION_H_
