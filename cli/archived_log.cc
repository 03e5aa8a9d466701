#include "cli/archived_log.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "archive/archive.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/frame.h"

namespace cairn::cli {
namespace {

absl::Status Write(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  return file ? absl::OkStatus() : absl::InternalError(absl::StrCat("write ", path));
}

}  // namespace

bool IsArchived(const std::string& log) { return absl::StartsWith(log, "s3://"); }

absl::StatusOr<std::unique_ptr<ArchivedCopy>> ArchivedCopy::Fetch(
    const std::string& url, const std::function<void(uint64_t done, uint64_t total)>& progress) {
  ASSIGN_OR_RETURN(const archive::ArchivedLog log, archive::ArchivedLog::Parse(url));
  ASSIGN_OR_RETURN(archive::S3Options s3, archive::S3FromEnvironment());
  archive::Archive archive({.s3 = std::move(s3), .bucket = log.bucket});
  ASSIGN_OR_RETURN(const std::vector<archive::Pin> pins, archive.Pins(log.log));
  if (pins.empty()) return absl::NotFoundError(absl::StrCat(url, ": nothing is archived there"));
  const char* base = std::getenv("TMPDIR");
  std::string dir = absl::StrCat(base != nullptr ? base : "/tmp", "/cairn-archived-XXXXXX");
  if (::mkdtemp(dir.data()) == nullptr) return ErrnoStatus(errno, dir);
  auto copy = absl::WrapUnique(new ArchivedCopy(dir));
  const std::string receipts = absl::StrCat(dir, "/", ledger::kReceiptsDir);
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), receipts, 0700));
  uint64_t total = 0;
  uint64_t done = 0;
  for (const archive::Pin& pin : pins) total += pin.bytes;
  for (const archive::Pin& pin : pins) {
    ASSIGN_OR_RETURN(const std::string bytes, archive.Fetch(log.log, pin));
    RETURN_IF_ERROR(Write(absl::StrCat(dir, "/", ledger::SegmentName(pin.epoch)), bytes));
    if (!pin.note.empty()) {
      RETURN_IF_ERROR(Write(absl::StrFormat("%s/%010d.receipt", receipts, pin.epoch), pin.note));
    }
    done += bytes.size();
    progress(done, total);
  }
  return copy;
}

ArchivedCopy::~ArchivedCopy() {
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

}  // namespace cairn::cli
