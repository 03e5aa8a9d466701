#include "collector/tokens.h"

#include <cstdio>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/io.h"
#include "base/secret.h"
#include "base/status.h"
#include "ledger/hash.h"

namespace cairn::collector {
namespace {

constexpr size_t kSecretBytes = 16;
constexpr size_t kMaxFile = 4096;

std::string NameOf(absl::string_view secret) {
  const ledger::Hash hash = ledger::Sha256({secret});
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

absl::Status Denied(absl::string_view why) {
  return absl::PermissionDeniedError(absl::StrCat("enrolment token: ", why));
}

}  // namespace

absl::StatusOr<std::string> Tokens::Make(absl::Duration valid, absl::string_view host) const {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir_, 0750));
  const Secret32 random = Secret32::Random();
  const std::string secret =
      absl::BytesToHexString({reinterpret_cast<const char*>(random.data()), kSecretBytes});
  const std::string expires =
      absl::FormatTime(absl::RFC3339_sec, absl::Now() + valid, absl::UTCTimeZone());
  RETURN_IF_ERROR(WriteFileDurably(
      Io::Real(), dir_, absl::StrCat(NameOf(secret), ".token"),
      absl::StrCat("expires ", expires, "\nhost ", host.empty() ? "any" : host, "\n"), 0640));
  return secret;
}

absl::StatusOr<Tokens::Taken> Tokens::Take(absl::string_view secret, absl::string_view host,
                                           absl::Time now) const {
  const std::string path = absl::StrCat(dir_, "/", NameOf(secret));
  const absl::StatusOr<std::string> text = ReadFile(path + ".token", kMaxFile);
  if (absl::IsNotFound(text.status())) return Denied("unknown, or used before");
  RETURN_IF_ERROR(text.status());
  const std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n');
  absl::string_view expires = lines[0];
  absl::string_view whose = lines.size() > 1 ? lines[1] : "";
  absl::Time end;
  std::string error;
  if (!absl::ConsumePrefix(&expires, "expires ") || !absl::ConsumePrefix(&whose, "host ") ||
      !absl::ParseTime(absl::RFC3339_sec, expires, &end, &error)) {
    return absl::DataLossError(absl::StrCat(path, ".token: not a token"));
  }
  if (now > end) return Denied(absl::StrCat("expired at ", expires));
  if (whose != "any" && whose != host) return Denied(absl::StrCat("made for host ", whose));
  // rename: of two who come with one token, the second finds it gone.
  if (Io::Real()->Rename((path + ".token").c_str(), (path + ".used").c_str()) != 0) {
    return Denied("used this moment");
  }
  RETURN_IF_ERROR(SyncDirectory(Io::Real(), dir_));
  return Taken{.bound = whose == host};
}

}  // namespace cairn::collector
