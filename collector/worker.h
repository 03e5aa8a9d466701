// One thread of the collector: a listener, its connections, one epoll loop.
#ifndef CAIRN_COLLECTOR_WORKER_H_
#define CAIRN_COLLECTOR_WORKER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/fd.h"
#include "base/tls.h"
#include "collector/core.h"
#include "collector/session.h"
#include "collector/syncer.h"

namespace cairn::collector {

struct WorkerOptions {
  size_t max_connections = 1024;
  absl::Duration handshake_within = absl::Seconds(10);
  bool enrolling = false;  // clients have no certificate, and may only enrol
};

// Constructor, Start, Renew and Stop from one thread; the rest is the worker's own.
class Worker {
 public:
  // `syncer` is for commits, `opener` for logs to be opened. Both are destroyed after Stop and
  // before the worker: what they still do comes here.
  Worker(WorkerOptions options, Core* core, Syncer* syncer, Syncer* opener,
         std::shared_ptr<TlsContext> tls, Fd listener);
  ~Worker();  // as Stop

  absl::Status Start();
  // For connections from now on. Of those that exist, the ones whose certificate it would not
  // take are closed; the others go on.
  void Renew(std::shared_ptr<TlsContext> tls);
  void Stop();

 private:
  struct Connection {
    uint64_t id = 0;
    std::unique_ptr<TlsConnection> tls;
    std::optional<Session> session;  // once the handshake is done
    std::string out;                 // not yet taken by TLS
    size_t out_used = 0;
    absl::Time accepted;
    uint32_t events = 0;   // as epoll watches for
    bool closing = false;  // flush, then close
    bool paused = false;   // over its rate
  };

  // What goes on, on this thread, behind work that another did. False: flush, then close.
  using Finish = std::function<bool(Session* session, std::string* out)>;
  struct Done {
    int fd;
    uint64_t connection;
    Finish finish;
  };

  void Loop();
  void Round(int timeout_ms);
  void AcceptAll();
  void Serve(Connection* connection);
  bool Shake(Connection* connection);
  void ReadSome(Connection* connection);
  void Flush(Connection* connection);
  void Watch(Connection* connection);
  void Tick();
  void TakeRequests();
  void DoElsewhere(Syncer* threads, bool urgent, const Connection& connection,
                   std::function<Finish()> work);
  void StartWhatWaits(Connection* connection);
  void FinishAll(const std::vector<Done>& done);
  void TakeContext(std::shared_ptr<TlsContext> renewed);
  void Close(int fd);
  void DrainAll();

  const WorkerOptions options_;
  Core* const core_;
  Syncer* const syncer_;
  Syncer* const opener_;
  const Fd listener_;
  const Fd epoll_;
  const Fd wake_;  // eventfd
  std::thread thread_;
  std::atomic<bool> stop_{false};
  absl::Mutex mutex_;
  std::shared_ptr<TlsContext> renewed_ ABSL_GUARDED_BY(mutex_);
  std::vector<Done> done_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<TlsContext> tls_;
  std::map<int, std::unique_ptr<Connection>> connections_;  // by socket
  uint64_t newest_id_ = 0;
  std::vector<int> touched_;   // served in this round
  std::vector<int> finished_;  // to be closed at its end
  std::string buffer_;         // what was just read
  absl::Time ticked_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_WORKER_H_
