#include "collector/retention.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/segments.h"

namespace cairn::collector {
namespace {

constexpr size_t kKeptAlways = 2;
constexpr size_t kMaxSegment = 256 << 20;

struct Candidate {
  std::string dir;
  ledger::SegmentInfo segment;
  absl::Time written;
};

// What may go of one log, oldest first; adds to `stored` what it holds in all.
absl::Status Collect(const std::string& dir, bool kept, uint64_t* stored,
                     std::vector<Candidate>* all) {
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments, ledger::ListSegments(dir));
  struct stat st;
  kept = kept || ::stat((dir + "/evidence").c_str(), &st) == 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    *stored += segments[i].file_bytes;
    if (kept || i + kKeptAlways >= segments.size()) continue;
    if (::stat(segments[i].path.c_str(), &st) != 0) continue;
    all->push_back({dir, segments[i], absl::FromTimeT(st.st_mtime)});
  }
  return absl::OkStatus();
}

// append(deleted) fdatasync unlink: what is gone has been told.
absl::Status Delete(const Candidate& old, absl::string_view why, Io* io, absl::Time now) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(old.segment.path, kMaxSegment));
  const ledger::Hash hash = ledger::Sha256({bytes});
  const std::string path = old.dir + "/deleted";
  ASSIGN_OR_RETURN(const Fd fd,
                   OpenFile(io, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  const std::string line = absl::StrCat(
      absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone()), " ",
      ledger::SegmentName(old.segment.epoch), " ", bytes.size(), " ",
      absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()}), " ", why,
      "\n");
  RETURN_IF_ERROR(WriteAll(io, fd.get(), line, path));
  if (io->Fdatasync(fd.get()) != 0) return ErrnoStatus(errno, "fdatasync " + path);
  if (io->Unlink(old.segment.path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("remove ", old.segment.path));
  }
  LogInfo("retention: ", old.segment.path, ", ", bytes.size(), " bytes, deleted for its ", why);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Retained> ApplyRetention(const RetentionOptions& options, const std::string& store,
                                        const std::string& deployment, const Hosts& hosts, Io* io,
                                        absl::Time now) {
  const std::string all = absl::StrCat(store, "/", deployment);
  Retained retained;
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(all);
  if (absl::IsNotFound(names.status())) return retained;
  RETURN_IF_ERROR(names.status());
  std::vector<Candidate> old;
  for (const std::string& host : *names) {
    if (!IsHostUuid(host)) continue;
    const std::string dir = absl::StrCat(all, "/", host);
    ASSIGN_OR_RETURN(const std::vector<std::string> incarnations, ListDirectory(dir));
    for (const std::string& incarnation : incarnations) {
      RETURN_IF_ERROR(Collect(absl::StrCat(dir, "/", incarnation), hosts.held(host),
                              &retained.stored_bytes, &old));
    }
  }
  // Of one log the epoch decides: its beginning goes first, or it would get a hole.
  std::stable_sort(old.begin(), old.end(), [](const Candidate& a, const Candidate& b) {
    return a.dir == b.dir ? a.segment.epoch < b.segment.epoch : a.written < b.written;
  });
  for (const Candidate& one : old) {
    const absl::Duration age = now - one.written;
    const bool big = options.max_bytes > 0 && retained.stored_bytes > options.max_bytes;
    if (age < options.keep_at_least || (age <= options.keep_at_most && !big)) continue;
    RETURN_IF_ERROR(Delete(one, age > options.keep_at_most ? "age" : "size", io, now));
    ++retained.segments;
    retained.bytes += one.segment.file_bytes;
    retained.stored_bytes -= one.segment.file_bytes;
  }
  retained.over = options.max_bytes > 0 && retained.stored_bytes > options.max_bytes;
  return retained;
}

}  // namespace cairn::collector
