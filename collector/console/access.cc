#include "collector/console/access.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/yaml.h"
#include "collector/origin.h"
#include "ledger/hash.h"

namespace cairn::collector {
namespace {

using User = config::ConsoleAccess::User;

constexpr size_t kMaxFile = 1 << 20;
constexpr size_t kMaxSessions = 4096;
constexpr size_t kMaxAddresses = 4096;
constexpr int kMaxWrong = 10;
constexpr absl::Duration kWrongFor = absl::Minutes(1);

absl::Status Wrong(absl::string_view key, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", cause));
}

absl::StatusOr<Rights> Compile(const std::string& name, const config::ConsoleAccess::Role& role) {
  Rights rights;
  const std::string at = absl::StrCat("roles.", name);
  for (const std::string& host : role.hosts()) {
    if (host == "*") {
      rights.all_hosts = true;
    } else if (IsHostUuid(host)) {
      rights.hosts.insert(host);
    } else {
      return Wrong(at + ".hosts", absl::StrCat("'", host, "' is neither a host uuid nor '*'"));
    }
  }
  for (const std::string& event : role.events()) {
    policy::EventSet some;
    if (event == "*") {
      rights.events.set();
    } else if (policy::ParseEvents(event, &some)) {
      rights.events |= some;
    } else {
      return Wrong(at + ".events", absl::StrCat("no event '", event, "'"));
    }
  }
  if (!role.when().empty()) {
    auto when = policy::Where::Parse(role.when());
    if (!when.ok()) return Wrong(at + ".when", when.status().message());
    rights.when = std::make_shared<const policy::Where>(*std::move(when));
  }
  rights.metrics = role.metrics();
  rights.alarms = role.alarms();
  return rights;
}

absl::StatusOr<absl::Time> ExpiryOf(const User& user) {
  if (user.expires().empty()) return absl::InfiniteFuture();
  absl::Time time;
  std::string cause;
  if (absl::ParseTime(absl::RFC3339_full, user.expires(), &time, &cause) ||
      absl::ParseTime("%Y-%m-%d", user.expires(), &time, &cause)) {
    return time;
  }
  return Wrong(absl::StrCat("users: ", user.name(), ": expires"),
               absl::StrCat("'", user.expires(), "' is neither a date nor an RFC 3339 time"));
}

absl::Status CheckUser(const User& user, const config::ConsoleAccess& file) {
  const std::string at = absl::StrCat("users: ", user.name());
  if (user.name().empty()) return Wrong("users", "a user without a name");
  if (!file.roles().contains(user.role())) {
    return Wrong(at, absl::StrCat("no role '", user.role(), "'"));
  }
  if (user.token_sha256().empty() && user.certificate().empty()) {
    return Wrong(at, "neither token_sha256 nor certificate: nobody could log in");
  }
  if (!user.token_sha256().empty() && absl::HexStringToBytes(user.token_sha256()).size() != 32) {
    return Wrong(at + ": token_sha256", "not 64 hexadecimal digits");
  }
  return ExpiryOf(user).status();
}

std::string Digest(absl::string_view text) {
  return std::string(ledger::View(ledger::Sha256({text})));
}

}  // namespace

bool Rights::Sees(const ledger::LoggedRecord& logged) const {
  return events.test(static_cast<uint8_t>(logged.record->type())) &&
         (when == nullptr || when->Holds(logged));
}

Access::Access(std::string path, absl::Duration session, std::function<absl::Time()> now)
    : path_(std::move(path)), session_(session), now_(std::move(now)) {}

absl::StatusOr<std::unique_ptr<Access>> Access::Load(std::string path, absl::Duration session,
                                                     std::function<absl::Time()> now) {
  auto access = absl::WrapUnique(new Access(std::move(path), session, std::move(now)));
  const absl::MutexLock lock(&access->mutex_);
  RETURN_IF_ERROR(access->Read());
  return access;
}

absl::Status Access::Read() {
  struct stat st;
  if (::stat(path_.c_str(), &st) != 0) return ErrnoStatus(errno, path_);
  mtime_ns_ = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
  file_.Clear();
  roles_.clear();
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path_, kMaxFile));
  config::ConsoleAccess file;
  RETURN_IF_ERROR(ParseYamlFile(text, path_, &file));
  std::map<std::string, std::shared_ptr<const Rights>> roles;
  for (const auto& [name, role] : file.roles()) {
    auto rights = Compile(name, role);
    if (!rights.ok()) return Annotate(rights.status(), path_);
    roles[name] = std::make_shared<const Rights>(*std::move(rights));
  }
  for (const User& user : file.users()) RETURN_IF_ERROR(Annotate(CheckUser(user, file), path_));
  file_ = std::move(file);
  roles_ = std::move(roles);
  return absl::OkStatus();
}

void Access::ReloadIfChanged() {
  struct stat st;
  const bool there = ::stat(path_.c_str(), &st) == 0;
  const absl::MutexLock lock(&mutex_);
  if (there && st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == mtime_ns_) return;
  const absl::Status read = Read();
  if (!read.ok()) LogError(read.message(), "; nobody may look until that is mended");
}

const User* Access::Find(const std::function<bool(const User&)>& fits) {
  for (const User& user : file_.users()) {
    if (fits(user)) return &user;
  }
  return nullptr;
}

std::shared_ptr<const Viewer> Access::ViewerOf(const User* user, absl::string_view how,
                                               absl::Time until) {
  if (user == nullptr) return nullptr;
  until = std::min(until, ExpiryOf(*user).value_or(absl::InfinitePast()));
  if (now_() >= until) return nullptr;
  return std::make_shared<const Viewer>(
      Viewer{user->name(), user->role(), std::string(how), until, roles_[user->role()]});
}

std::shared_ptr<const Viewer> Access::ByToken(absl::string_view token) {
  const std::string digest = TokenDigest(token);
  const absl::MutexLock lock(&mutex_);
  return ViewerOf(
      Find([&](const User& user) { return absl::AsciiStrToLower(user.token_sha256()) == digest; }),
      "token", absl::InfiniteFuture());
}

std::shared_ptr<const Viewer> Access::ByCertificate(const std::vector<std::string>& uris) {
  const absl::MutexLock lock(&mutex_);
  return ViewerOf(Find([&](const User& user) {
                    return !user.certificate().empty() &&
                           std::find(uris.begin(), uris.end(), user.certificate()) != uris.end();
                  }),
                  "certificate", absl::InfiniteFuture());
}

absl::StatusOr<std::string> Access::LogIn(absl::string_view token, const std::string& address) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto wrong = wrong_.find(address);
    if (wrong != wrong_.end() && now_() - wrong->second.since < kWrongFor &&
        wrong->second.count >= kMaxWrong) {
      return absl::ResourceExhaustedError("too many wrong tokens from your address; wait a minute");
    }
  }
  const std::shared_ptr<const Viewer> viewer = ByToken(token);
  const absl::MutexLock lock(&mutex_);
  if (viewer == nullptr) {
    if (wrong_.size() >= kMaxAddresses) wrong_.clear();
    struct Wrong& wrong = wrong_[address];
    if (now_() - wrong.since >= kWrongFor) wrong = {0, now_()};
    ++wrong.count;
    return absl::PermissionDeniedError("this token is unknown, or no longer good");
  }
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    it = it->second.until <= now_() ? sessions_.erase(it) : std::next(it);
  }
  if (sessions_.size() >= kMaxSessions) sessions_.erase(sessions_.begin());
  const std::string cookie = absl::BytesToHexString(Secret32::Random().view());
  sessions_[Digest(cookie)] = {viewer->name, now_() + session_};
  return cookie;
}

void Access::LogOut(absl::string_view cookie) {
  const absl::MutexLock lock(&mutex_);
  sessions_.erase(Digest(cookie));
}

std::shared_ptr<const Viewer> Access::ByCookie(absl::string_view cookie) {
  const absl::MutexLock lock(&mutex_);
  const auto session = sessions_.find(Digest(cookie));
  if (session == sessions_.end()) return nullptr;
  const Session& known = session->second;
  return ViewerOf(Find([&](const User& user) {
                    return user.name() == known.user && !user.token_sha256().empty();
                  }),
                  "token", known.until);
}

std::string MakeToken() {
  return absl::StrCat("cairn_", absl::BytesToHexString(Secret32::Random().view()));
}

std::string TokenDigest(absl::string_view token) { return absl::BytesToHexString(Digest(token)); }

}  // namespace cairn::collector
