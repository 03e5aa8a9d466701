#include "collector/hosts.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/certificate.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/rotation.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxFile = 64 << 10;
constexpr size_t kMaxCertificates = 1 << 20;

std::string KeyFile(absl::string_view host) { return absl::StrCat(host, ".vkey"); }
std::string RevokedFile(absl::string_view host) { return absl::StrCat(host, ".revoked"); }

// Incarnations of a log may share a key: it is the key that was enrolled, not its name.
bool Lists(absl::string_view lines, const ledger::VerifierKey& key) {
  for (absl::string_view line : absl::StrSplit(lines, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    const absl::StatusOr<ledger::VerifierKey> known = ledger::VerifierKey::Parse(line);
    if (known.ok() && known->public_key == key.public_key && known->type == key.type) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> Hosts::Lines(absl::string_view host) const {
  return ReadFile(absl::StrCat(dir_, "/", KeyFile(host)), kMaxFile);
}

bool Hosts::revoked(absl::string_view host) const {
  return ::access(absl::StrCat(dir_, "/", RevokedFile(host)).c_str(), F_OK) == 0;
}

// Whether `rotation` is by an enrolled key and names `key`.
bool Hosts::NamedBy(absl::string_view rotation, absl::string_view lines,
                    const ledger::VerifierKey& key) const {
  const auto old_key = ledger::RotatedKey(rotation);
  if (!old_key.ok() || !Lists(lines, *old_key)) return false;
  const auto named = ledger::CheckRotation(rotation, *old_key);
  return named.ok() && named->ToString() == key.ToString();
}

absl::StatusOr<ledger::VerifierKey> Hosts::Trust(const Origin& origin, absl::string_view shown,
                                                 absl::string_view rotation) {
  ASSIGN_OR_RETURN(const ledger::VerifierKey key, ledger::VerifierKey::Parse(shown));
  if (key.name != origin.Text() || key.type != ledger::SignatureType::kEd25519) {
    return absl::InvalidArgumentError(
        absl::StrCat("log key is named '", key.name, "', the log '", origin.Text(), "'"));
  }
  if (revoked(origin.host)) {
    return absl::PermissionDeniedError(absl::StrCat("host ", origin.host, " is revoked"));
  }
  const absl::StatusOr<std::string> lines = Lines(origin.host);
  if (lines.ok() && Lists(*lines, key)) return key;
  if (!lines.ok() && !absl::IsNotFound(lines.status())) return lines.status();
  if (lines.ok() && NamedBy(rotation, *lines, key)) {
    const absl::Status added = Add(origin.host, key);
    if (!added.ok() && !absl::IsAlreadyExists(added)) return added;
    LogWarning("host ", origin.host, ": its old log key names a new one: ", key.ToString());
    return key;
  }
  if (lines.ok() || !trust_on_first_use_) {
    return absl::PermissionDeniedError(absl::StrCat(
        "log key of ", origin.Text(), " is not enrolled (", dir_, "/", KeyFile(origin.host), ")"));
  }
  RETURN_IF_ERROR(Add(origin.host, key));
  LogWarning("host ", origin.host, ": log key trusted on first use: ", key.ToString());
  return key;
}

absl::Status Hosts::Add(absl::string_view host, const ledger::VerifierKey& key) {
  const absl::MutexLock lock(&mutex_);
  const absl::StatusOr<std::string> lines = Lines(host);
  if (!lines.ok() && !absl::IsNotFound(lines.status())) return lines.status();
  const std::string old = lines.ok() ? *lines : "";
  if (Lists(old, key)) return absl::AlreadyExistsError("the key is enrolled");
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir_, 0750));
  return WriteFileDurably(Io::Real(), dir_, KeyFile(host), absl::StrCat(old, key.ToString(), "\n"),
                          0640);
}

bool Hosts::held(absl::string_view host) const {
  return ::access(absl::StrCat(dir_, "/", host, ".hold").c_str(), F_OK) == 0;
}

absl::Status Hosts::Hold(absl::string_view host, absl::string_view reason) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir_, 0750));
  return WriteFileDurably(Io::Real(), dir_, absl::StrCat(host, ".hold"), absl::StrCat(reason, "\n"),
                          0640);
}

absl::Status Hosts::EndHold(absl::string_view host) {
  const std::string path = absl::StrCat(dir_, "/", host, ".hold");
  if (Io::Real()->Unlink(path.c_str()) != 0) return ErrnoStatus(errno, path);
  return SyncDirectory(Io::Real(), dir_);
}

bool Hosts::Known(absl::string_view host) const { return Lines(host).ok(); }

bool Hosts::Knows(absl::string_view host, const ledger::VerifierKey& key) const {
  const absl::StatusOr<std::string> lines = Lines(host);
  return lines.ok() && Lists(*lines, key);
}

absl::Status Hosts::NoteCertificate(absl::string_view host, absl::string_view pem) {
  ASSIGN_OR_RETURN(const CertificateFacts facts, ReadCertificate(pem));
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir_, 0750));
  const std::string path = absl::StrCat(dir_, "/", host, ".certs");
  ASSIGN_OR_RETURN(const Fd fd,
                   OpenFile(Io::Real(), path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  RETURN_IF_ERROR(WriteAll(
      Io::Real(), fd.get(),
      absl::StrCat(facts.serial, " ",
                   absl::FormatTime(absl::RFC3339_sec, facts.not_after, absl::UTCTimeZone()), "\n"),
      path));
  return Io::Real()->Fdatasync(fd.get()) == 0 ? absl::OkStatus()
                                              : ErrnoStatus(errno, "fdatasync " + path);
}

absl::StatusOr<std::vector<std::string>> Hosts::RevokedSerials() const {
  std::vector<std::string> serials;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(dir_));
  for (absl::string_view name : names) {
    if (!absl::ConsumeSuffix(&name, ".certs") || !revoked(name)) continue;
    ASSIGN_OR_RETURN(const std::string text,
                     ReadFile(absl::StrCat(dir_, "/", name, ".certs"), kMaxCertificates));
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      serials.emplace_back(line.substr(0, line.find(' ')));
    }
  }
  return serials;
}

absl::Status Hosts::Revoke(absl::string_view host, absl::string_view reason) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir_, 0750));
  return WriteFileDurably(Io::Real(), dir_, RevokedFile(host), absl::StrCat(reason, "\n"), 0640);
}

}  // namespace cairn::collector
