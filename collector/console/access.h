// Who may look at what: console.yaml, and who is logged in. docs/console.md.
#ifndef CAIRN_COLLECTOR_CONSOLE_ACCESS_H_
#define CAIRN_COLLECTOR_CONSOLE_ACCESS_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ledger/reader.h"
#include "policy/schema.h"
#include "policy/where.h"
#include "proto/config.pb.h"

namespace cairn::collector {

// A role, compiled.
struct Rights {
  bool all_hosts = false;
  std::set<std::string, std::less<>> hosts;  // uuids
  policy::EventSet events;
  std::shared_ptr<const policy::Where> when;  // null: no condition
  bool metrics = false;
  bool alarms = false;

  bool SeesHost(absl::string_view uuid) const { return all_hosts || hosts.contains(uuid); }
  // Every record of the hosts it sees.
  bool SeesAll() const { return events.all() && when == nullptr; }
  bool Sees(const ledger::LoggedRecord& logged) const;
};

// Somebody who was let in. The rights are those of the file at the time of asking.
struct Viewer {
  std::string name;
  std::string role;
  std::string how;  // token | certificate
  absl::Time until = absl::InfiniteFuture();
  std::shared_ptr<const Rights> rights;
};

// Tokens are 256 random bits: their SHA-256 is as good as any slow hash. Any thread.
class Access {
 public:
  // `now`: for tests.
  static absl::StatusOr<std::unique_ptr<Access>> Load(std::string path, absl::Duration session,
                                                      std::function<absl::Time()> now = absl::Now);

  // The file again when it changed. On an error nobody is let in any more until it is mended:
  // the file may just have taken somebody's rights away.
  void ReloadIfChanged();

  // A cookie's value for whoever knows the token. PermissionDenied: nobody does, or no longer;
  // ResourceExhausted: too many wrong ones from this address.
  absl::StatusOr<std::string> LogIn(absl::string_view token, const std::string& address);
  void LogOut(absl::string_view cookie);
  // Null: unknown, expired, or no longer in the file.
  std::shared_ptr<const Viewer> ByCookie(absl::string_view cookie);
  std::shared_ptr<const Viewer> ByCertificate(const std::vector<std::string>& uris);
  std::shared_ptr<const Viewer> ByToken(absl::string_view token);

 private:
  struct Session {
    std::string user;
    absl::Time until;
  };
  struct Wrong {  // tokens, from one address
    int count = 0;
    absl::Time since;
  };

  Access(std::string path, absl::Duration session, std::function<absl::Time()> now);
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const config::ConsoleAccess::User* Find(
      const std::function<bool(const config::ConsoleAccess::User&)>& fits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<const Viewer> ViewerOf(const config::ConsoleAccess::User* user,
                                         absl::string_view how, absl::Time until)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const absl::Duration session_;
  const std::function<absl::Time()> now_;
  absl::Mutex mutex_;
  int64_t mtime_ns_ ABSL_GUARDED_BY(mutex_) = -1;
  config::ConsoleAccess file_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<const Rights>> roles_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Session> sessions_ ABSL_GUARDED_BY(mutex_);  // by SHA-256 of the cookie
  std::map<std::string, Wrong> wrong_ ABSL_GUARDED_BY(mutex_);
};

// "cairn_" and 64 hexadecimal digits, new.
std::string MakeToken();
// What console.yaml has of it.
std::string TokenDigest(absl::string_view token);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_ACCESS_H_
