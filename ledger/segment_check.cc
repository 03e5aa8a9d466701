#include "ledger/segment_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ledger/open_segment.h"

namespace cairn::ledger {
namespace {

// Reads are few beside the hashing of what they bring.
constexpr size_t kReadBytes = 256 << 10;

// What was read, into the range before where it continues that.
void AddRedacted(const BlockRange& range, std::vector<BlockRange>* ranges) {
  if (!ranges->empty() && ranges->back().end_block == range.block) {
    ranges->back().end_block = range.end_block;
    ranges->back().end_sequence = range.end_sequence;
  } else {
    ranges->push_back(range);
  }
}

absl::Status Feed(const SegmentInfo& info, const std::function<void(uint64_t bytes)>& read,
                  StreamVerifier* verifier, std::string* unreadable) {
  const auto fd = OpenSegment(info.path);
  if (!fd.ok()) {
    *unreadable = std::string(fd.status().message());
    return absl::OkStatus();
  }
  ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  absl::Status status = verifier->BeginSegment(info.path);
  const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  uint64_t left = info.valid_bytes;
  while (status.ok() && left > 0) {
    const ssize_t n = ::read(fd->get(), buffer.get(), std::min<uint64_t>(left, kReadBytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) *unreadable = absl::StrCat(info.path, ": ", ::strerror(errno));
    if (n <= 0) break;
    status = verifier->Feed(absl::string_view(buffer.get(), static_cast<size_t>(n)));
    left -= static_cast<uint64_t>(n);
    if (read) read(static_cast<uint64_t>(n));
  }
  return status;
}

}  // namespace

SegmentCheck CheckSegment(const SegmentInfo& info, StreamOptions options,
                          const std::function<void(uint64_t bytes)>& read) {
  SegmentCheck check;
  check.info = info;
  options.on_epoch = [&check](const SegmentHeader&, const EpochOpen& open, uint64_t block) {
    check.opened_at = block;
    check.tpm_counter = open.tpm_counter();
  };
  options.on_redacted = [&check](const BlockRange& range) { AddRedacted(range, &check.redacted); };
  StreamVerifier verifier(std::move(options), std::nullopt);
  const absl::Status status = Feed(info, read, &verifier, &check.unreadable);
  if (!check.unreadable.empty() && !verifier.header_seen()) return check;
  if (status.ok()) check.torn = !verifier.EndSegment().ok();
  if (verifier.finding() != nullptr) check.finding = *verifier.finding();
  check.header_seen = verifier.header_seen();
  if (check.header_seen) check.header = verifier.header();
  check.end = verifier.end();
  if (check.header_seen && verifier.checkpointed() > check.header.first_block()) {
    check.checkpointed = verifier.checkpointed();
  }
  check.durable_offset = verifier.durable_offset();
  check.tags_checked = verifier.tags_checked();
  check.epoch_key = verifier.epoch_key();
  check.tag_start = verifier.TakeTagStart();
  check.tag_key = verifier.TakeTagKey();
  return check;
}

}  // namespace cairn::ledger
