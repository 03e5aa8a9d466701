#include "archive/archive.h"

#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "ledger/hash.h"
#include "ledger/segments.h"

namespace cairn::archive {
namespace {

constexpr size_t kMaxSegment = 256 << 20;
constexpr size_t kMaxPin = 64 << 10;
constexpr uint64_t kLastEpoch = 9999999999;
constexpr char kProbe[] = ".cairn/probe";

std::string Hex(const ledger::Hash& hash) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

std::string SegmentKey(const std::string& log, uint64_t epoch) {
  return absl::StrCat(log, "/", ledger::SegmentName(epoch));
}

std::string PinKey(const std::string& log, uint64_t epoch) {
  return absl::StrFormat("%s/%010d.pin", log, epoch);
}

// Counted down, so that a list begins with the newest.
std::string ClaimKey(const std::string& log, uint64_t epoch) {
  return absl::StrFormat("%s/%010d", log, kLastEpoch - epoch);
}

}  // namespace

Archive::Archive(ArchiveOptions options) : options_(std::move(options)), s3_(options_.s3) {}

absl::Status Archive::Check() {
  ASSIGN_OR_RETURN(const bool locks, s3_.HasObjectLock(options_.bucket));
  if (!locks) {
    return absl::FailedPreconditionError(
        absl::StrCat("s3://", options_.bucket,
                     " has no Object Lock: make the bucket with it, it cannot be "
                     "added everywhere"));
  }
  ASSIGN_OR_RETURN(const bool versions, s3_.HasVersions(options_.claims_bucket));
  if (versions) {
    return absl::FailedPreconditionError(absl::StrCat(
        "s3://", options_.claims_bucket, " keeps versions: claims need a bucket without"));
  }
  // A service that ignores the condition would let two collectors extend one log.
  const PutOptions once{.if_absent = true};
  const auto first = s3_.Put(options_.claims_bucket, kProbe, "probe", once);
  if (!first.ok() && !absl::IsAlreadyExists(first.status())) return first.status();
  const auto second = s3_.Put(options_.claims_bucket, kProbe, "probe", once);
  if (absl::IsAlreadyExists(second.status())) return absl::OkStatus();
  if (!second.ok()) return second.status();
  return absl::FailedPreconditionError(absl::StrCat(
      "s3://", options_.claims_bucket, ": If-None-Match was ignored, so claims mean nothing here"));
}

absl::StatusOr<Pin> Archive::Claimed(const std::string& log, uint64_t epoch) {
  ASSIGN_OR_RETURN(const std::string text,
                   s3_.Get(options_.claims_bucket, ClaimKey(log, epoch), "", kMaxPin));
  ASSIGN_OR_RETURN(Pin pin, Pin::Parse(text));
  if (pin.epoch != epoch) {
    return absl::DataLossError(absl::StrCat("the claim of segment ", epoch, " of ", log,
                                            " speaks of segment ", pin.epoch));
  }
  return pin;
}

absl::StatusOr<std::optional<Pin>> Archive::Newest(const std::string& log) {
  ASSIGN_OR_RETURN(const std::vector<std::string> keys,
                   s3_.List(options_.claims_bucket, log + "/", 1));
  if (keys.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(const std::string text,
                   s3_.Get(options_.claims_bucket, keys.front(), "", kMaxPin));
  ASSIGN_OR_RETURN(Pin pin, Pin::Parse(text));
  return pin;
}

// PUT segment (locked)  HEAD: is it?  PUT claim if absent  PUT pin (locked)
// The claim decides. A crash before it leaves a version that nobody points to; one after it, a
// claim whose pin the next one who keeps this segment writes.
absl::StatusOr<Pin> Archive::Keep(const std::string& log, Pin pin, absl::string_view bytes) {
  pin.bytes = bytes.size();
  pin.sha256 = Hex(ledger::Sha256({bytes}));
  absl::StatusOr<Pin> claimed = Claimed(log, pin.epoch);
  if (absl::IsNotFound(claimed.status())) {
    const std::string key = SegmentKey(log, pin.epoch);
    const absl::Time until = absl::Now() + options_.retain;
    ASSIGN_OR_RETURN(pin.version, s3_.Put(options_.bucket, key, bytes, {.retain_until = until}));
    ASSIGN_OR_RETURN(const ObjectFacts facts, s3_.Head(options_.bucket, key, pin.version));
    if (pin.version.empty() || facts.lock_mode != "COMPLIANCE" || facts.bytes != bytes.size() ||
        facts.retain_until < until - absl::Minutes(1)) {
      return absl::FailedPreconditionError(absl::StrCat("s3://", options_.bucket, "/", key,
                                                        ": stored, but not locked in COMPLIANCE "
                                                        "mode until the time asked for"));
    }
    const auto put = s3_.Put(options_.claims_bucket, ClaimKey(log, pin.epoch), pin.ToText(),
                             {.if_absent = true});
    if (!put.ok() && !absl::IsAlreadyExists(put.status())) return put.status();
    claimed = put.ok() ? pin : Claimed(log, pin.epoch);
  }
  RETURN_IF_ERROR(claimed.status());
  if (claimed->SameBytes(pin)) return Record(log, *claimed);
  return absl::AbortedError(absl::StrCat("segment ", pin.epoch, " of ", log, ": ", claimed->by,
                                         " archived other bytes (SHA-256 ", claimed->sha256,
                                         ", here ", pin.sha256, ")"));
}

absl::StatusOr<Pin> Archive::Record(const std::string& log, const Pin& pin) {
  const std::string key = PinKey(log, pin.epoch);
  const absl::StatusOr<ObjectFacts> there = s3_.Head(options_.bucket, key, "");
  if (there.ok()) return pin;
  if (!absl::IsNotFound(there.status())) return there.status();
  RETURN_IF_ERROR(
      s3_.Put(options_.bucket, key, pin.ToText(), {.retain_until = absl::Now() + options_.retain})
          .status());
  return pin;
}

absl::StatusOr<std::vector<Pin>> Archive::Pins(const std::string& log) {
  ASSIGN_OR_RETURN(const std::vector<ObjectVersion> versions,
                   s3_.ListVersions(options_.bucket, log + "/"));
  // The oldest version of a pin is the pin: it is locked, and later ones are somebody else's.
  std::map<std::string, std::string> oldest;
  for (const ObjectVersion& version : versions) {
    if (absl::EndsWith(version.key, ".pin") && !version.deleted) {
      oldest[version.key] = version.version;
    }
  }
  std::vector<Pin> pins;
  for (const auto& [key, version] : oldest) {
    ASSIGN_OR_RETURN(const std::string text, s3_.Get(options_.bucket, key, version, kMaxPin));
    absl::StatusOr<Pin> pin = Pin::Parse(text);
    if (!pin.ok() || PinKey(log, pin->epoch) != key) {
      return absl::DataLossError(absl::StrCat("s3://", options_.bucket, "/", key, " is no pin"));
    }
    pins.push_back(*std::move(pin));
  }
  return pins;
}

absl::StatusOr<std::string> Archive::Fetch(const std::string& log, const Pin& pin) {
  const std::string key = SegmentKey(log, pin.epoch);
  if (pin.bytes > kMaxSegment) {
    return absl::InvalidArgumentError(absl::StrCat(key, ": ", pin.bytes, " bytes pinned"));
  }
  ASSIGN_OR_RETURN(std::string bytes, s3_.Get(options_.bucket, key, pin.version, pin.bytes + 1));
  if (bytes.size() != pin.bytes || Hex(ledger::Sha256({bytes})) != pin.sha256) {
    return absl::DataLossError(absl::StrCat("s3://", options_.bucket, "/", key, " version ",
                                            pin.version, ": other bytes than were pinned"));
  }
  return bytes;
}

absl::StatusOr<ArchivedLog> ArchivedLog::Parse(absl::string_view url) {
  const std::vector<std::string> parts =
      absl::StrSplit(absl::StripSuffix(absl::StripPrefix(url, "s3://"), "/"), '/');
  bool whole = absl::StartsWith(url, "s3://") && parts.size() == 4;
  for (const std::string& part : parts) whole = whole && !part.empty();
  if (!whole) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", url, "' is not s3://BUCKET/DEPLOYMENT/HOST-UUID/INCARNATION"));
  }
  return ArchivedLog{parts[0], absl::StrCat(parts[1], "/", parts[2], "/", parts[3])};
}

}  // namespace cairn::archive
