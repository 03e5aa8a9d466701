// What the sessions of one collector share: trust, logs, receipts, alarms, counters.
#ifndef CAIRN_COLLECTOR_CORE_H_
#define CAIRN_COLLECTOR_CORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/io.h"
#include "base/line_log.h"
#include "collector/archiver.h"
#include "collector/checkpoint_saver.h"
#include "collector/cosigner.h"
#include "collector/enrolment.h"
#include "collector/host_log.h"
#include "collector/hosts.h"
#include "collector/origin.h"
#include "collector/own_log.h"
#include "collector/retention.h"
#include "collector/webhook.h"

namespace cairn::collector {

struct CoreOptions {
  std::string deployment;
  std::string store;  // directory
  std::string hosts_dir;
  bool trust_on_first_use = false;
  uint64_t host_bytes_per_second = 0;  // 0: no limit
  uint64_t host_store_bytes = 0;       // 0: no limit
  std::string receipts_log;            // JSON lines; empty: none
  std::string alarms_log;              // JSON lines; empty: none
  absl::Duration keep_alive = absl::Seconds(10);
  absl::Duration silence_after = absl::Seconds(30);  // three heartbeats
  absl::Duration publish_every = absl::Seconds(1);   // the own log
  // Threads for what can wait. Without: the own log is published by its Publish alone, and files
  // are written by whoever makes them due. Simulations want that.
  bool background = true;
  std::string webhook;                      // URL that alarms are posted to; empty: none
  std::optional<ArchiverOptions> archiver;  // none: the store on disk is all there is
  bool receipt_after_archive = false;       // no receipt before
  std::optional<EnrolmentOptions> enrolment;
  RetentionOptions retention;
  // Told of every receipt and every alarm, in the thread where it happens: they must not block.
  std::function<void(absl::string_view origin, const GivenReceipt& receipt)> on_receipt;
  std::function<void(absl::string_view kind, absl::string_view origin, absl::string_view text)>
      on_alarm;
  Io* io = Io::Real();  // not owned
  std::function<absl::Time()> now = absl::Now;
};

struct Counters {
  std::atomic<uint64_t> sessions{0};  // open now
  std::atomic<uint64_t> accepted{0};  // connections
  std::atomic<uint64_t> refused{0};   // sessions that ended in a refusal
  std::atomic<uint64_t> alarms{0};
  std::atomic<uint64_t> receipts{0};
  std::atomic<uint64_t> records{0};  // receipted
  std::atomic<uint64_t> bytes{0};    // verified and stored
};

class Core;

// Holds one log for one session, open or not; gives it back when it dies. One thread.
class LogClaim {
 public:
  LogClaim() = default;
  LogClaim(LogClaim&& other) noexcept { *this = std::move(other); }
  LogClaim& operator=(LogClaim&& other) noexcept;
  ~LogClaim() { Release(); }

  HostLog* get() const { return log_.get(); }
  HostLog* operator->() const { return log_.get(); }
  explicit operator bool() const { return log_ != nullptr; }
  // Opens it where it is not, and waits until nobody else writes there. DataLoss: what is stored is
  // damaged. Else as HostLog::Open. Before it, the log is not to be touched.
  absl::Status Open(const Origin& origin, const ledger::VerifierKey& log_key);
  // Gives it back as broken: whoever claims it next opens it from the disk.
  void Drop();
  void Release();

 private:
  friend class Core;
  Core* core_ = nullptr;
  std::string origin_;
  std::unique_ptr<HostLog> log_;
};

// Any thread.
class Core {
 public:
  // Makes the store. Fails when it cannot be written.
  static absl::StatusOr<std::unique_ptr<Core>> Create(CoreOptions options,
                                                      std::unique_ptr<Cosigner> cosigner);

  // The log of `origin`, for one session alone. Unavailable: another holds it; that one is asked
  // to prove that it lives (`challenges`).
  absl::StatusOr<LogClaim> Claim(const Origin& origin);
  // How often somebody else wanted the log since its session began.
  uint64_t challenges(const std::string& origin) const;
  // The session that holds `origin` proved that it lives when somebody else wanted it.
  void ProveAlive(const std::string& origin, absl::string_view address);
  // Where the holder of `origin` answers from, when it proved so within the last minute.
  std::string AliveAt(const std::string& origin) const;
  std::string DirOf(const Origin& origin) const;

  // Something an operator must hear of: logged, counted, kept.
  void Alarm(absl::string_view kind, absl::string_view origin, absl::string_view text);
  // Alarms for each host that no receipt was given to for `silence_after`, once until it is
  // heard again. Hosts in the store count from the start. Call every few seconds.
  void CheckSilence();
  // The host of `origin` is alive.
  void Hear(absl::string_view origin);
  // Takes `bytes` out of the host's second, and returns when it may send on. A new session does not
  // begin a new second: the rate is the host's.
  absl::Time Spend(const Origin& origin, size_t bytes);
  // Deletes what retention allows. Call every minute or so.
  void Retain();
  // Writes the file `checkpoint` of a log when it is behind, by and by.
  void SaveCheckpoint(HostLog* log);
  void CountReceipt(absl::string_view origin, const GivenReceipt& receipt, uint64_t new_records);

  const CoreOptions& options() const { return options_; }
  const Cosigner& cosigner() const { return *cosigner_; }
  Hosts* hosts() { return &hosts_; }
  // In <store>/tlog.
  OwnLog* own_log() { return own_log_.get(); }
  Archiver* archiver() { return archiver_.get(); }  // null: no archive
  const Enrolment* enrolment() const { return enrolment_ ? &*enrolment_ : nullptr; }
  Counters* counters() { return &counters_; }

 private:
  friend class LogClaim;
  Core(CoreOptions options, std::unique_ptr<Cosigner> cosigner);
  void ExpectStored();
  void WriteAlarm(absl::string_view kind, absl::string_view origin, absl::string_view text);
  void EnterInOwnLog(absl::string_view origin, absl::string_view note);
  void NoticeStored();
  void GiveBack(const std::string& origin, std::unique_ptr<HostLog> log);

  const CoreOptions options_;
  const std::unique_ptr<Cosigner> cosigner_;
  Hosts hosts_;
  Counters counters_;
  std::unique_ptr<LineLog> receipts_log_;  // null: none
  std::unique_ptr<LineLog> alarms_log_;    // null: none
  std::unique_ptr<Webhook> webhook_;
  std::unique_ptr<OwnLog> own_log_;
  std::optional<Enrolment> enrolment_;
  struct Heard {
    absl::Time last;
    bool silent = false;
  };
  struct Bucket {  // of one second's bytes
    double left = 0;
    absl::Time filled;
  };
  struct Contest {  // over a log whose session may be dead, or a clone's
    uint64_t challenges = 0;
    absl::Time proved = absl::InfinitePast();
    std::string address;
  };
  mutable absl::Mutex mutex_;
  std::map<std::string, Heard> heard_ ABSL_GUARDED_BY(mutex_);      // by <deployment>/h/<host-uuid>
  std::map<std::string, absl::Time> said_ ABSL_GUARDED_BY(mutex_);  // alarms
  // Logs seen since start: null while a session holds one.
  std::map<std::string, std::unique_ptr<HostLog>> logs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);    // by host-uuid
  std::map<std::string, Contest> contests_ ABSL_GUARDED_BY(mutex_);  // of logs that are held
  // Last: their threads use the rest.
  std::unique_ptr<CheckpointSaver> saver_;
  std::unique_ptr<Archiver> archiver_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CORE_H_
