#include "ledger/log_index.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/frame.h"
#include "ledger/open_segment.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxIndexBytes = 64 << 20;
constexpr size_t kReadBytes = 1 << 20;

int64_t MtimeNs(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return -1;
  return st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

}  // namespace

absl::StatusOr<Secret32> LoadIndexKey(const std::string& dir) {
  const auto have = ReadFile(dir + "/key", Secret32::kSize);
  if (have.ok() && have->size() == Secret32::kSize) {
    return Secret32(reinterpret_cast<const uint8_t*>(have->data()));
  }
  Secret32 key = Secret32::Random();
  RETURN_IF_ERROR(WriteFileDurably(Io::Real(), dir, "key", key.view(), 0600));
  return key;
}

LogIndex::LogIndex(std::string log_dir, std::string index_dir, const Secret32* key)
    : log_dir_(std::move(log_dir)), index_dir_(std::move(index_dir)), key_(key) {}

std::string LogIndex::IndexName(uint64_t epoch) const {
  return absl::StrCat(SegmentName(epoch), ".idx");
}

absl::StatusOr<bool> LogIndex::Refresh() {
  const absl::MutexLock lock(&mutex_);
  const size_t before = entries_.size();
  const int64_t mtime_ns = MtimeNs(log_dir_);
  if (mtime_ns != listed_mtime_ns_) {
    RETURN_IF_ERROR(List());
    listed_mtime_ns_ = mtime_ns;
  }
  if (entries_.empty()) return false;
  ASSIGN_OR_RETURN(const bool grew, Grow(&entries_.rbegin()->second));
  return grew || entries_.size() != before;
}

absl::Status LogIndex::List() {
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(log_dir_));
  std::map<uint64_t, Entry> now;
  for (const SegmentInfo& segment : segments) {
    const auto known = entries_.find(segment.epoch);
    Entry& entry = now[segment.epoch];
    if (known != entries_.end()) entry = std::move(known->second);
    entry.info = segment;
    if (segment.epoch == segments.back().epoch || entry.finished) continue;
    // The one that was newest until now: its builder takes the rest.
    if (entry.builder != nullptr) RETURN_IF_ERROR(Grow(&entry).status());
    entry.finished = true;
    if (entry.builder == nullptr) continue;
    Keep(&entry, std::move(*entry.builder).Finish());
    entry.builder.reset();
  }
  entries_ = std::move(now);
  return absl::OkStatus();
}

absl::StatusOr<bool> LogIndex::Grow(Entry* entry) {
  if (entry->finished) return false;
  struct stat st;
  if (::stat(entry->info.path.c_str(), &st) != 0) return ErrnoStatus(errno, entry->info.path);
  const auto size = static_cast<uint64_t>(st.st_size);
  if (entry->builder != nullptr && size < entry->builder->next_offset()) {
    entry->builder.reset();  // its tail was taken back
  }
  if (entry->builder == nullptr) entry->builder = std::make_unique<IndexBuilder>();
  uint64_t at = entry->builder->next_offset();
  if (size == at) return false;
  ASSIGN_OR_RETURN(const Fd fd, OpenSegment(entry->info.path));
  std::string buffer(std::min<uint64_t>(kReadBytes, size - at), '\0');
  while (at < size) {
    const ssize_t n = ::pread(fd.get(), buffer.data(), std::min<uint64_t>(buffer.size(), size - at),
                              static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", entry->info.path));
    if (n == 0) break;
    at += static_cast<uint64_t>(n);
    const absl::Status added = entry->builder->Add({buffer.data(), static_cast<size_t>(n)});
    if (!added.ok()) return Annotate(added, entry->info.path);
  }
  entry->info.file_bytes = entry->info.valid_bytes = size;
  entry->known = true;
  entry->max_wall_ns = entry->builder->index().max_wall_ns();
  return true;
}

void LogIndex::Keep(Entry* entry, SegmentIndex index) {
  entry->known = entry->confirmed = true;
  entry->max_wall_ns = index.max_wall_ns();
  const absl::Status made = MakeDirectories(Io::Real(), index_dir_, 0750);
  const absl::Status saved =
      made.ok() ? WriteFileDurably(Io::Real(), index_dir_, IndexName(entry->info.epoch),
                                   FormatIndex(index, *key_), 0640)
                : made;
  if (!saved.ok()) LogWarning("index: ", saved.message());
  entry->index = std::make_shared<const SegmentIndex>(std::move(index));
}

absl::Status LogIndex::Build(Entry* entry) {
  ASSIGN_OR_RETURN(SegmentIndex index, BuildIndex(entry->info.path, entry->info.valid_bytes));
  Keep(entry, std::move(index));
  return absl::OkStatus();
}

// From disk where what is there was made here, of this segment, to its end.
absl::Status LogIndex::Load(Entry* entry) {
  const std::string path = absl::StrCat(index_dir_, "/", IndexName(entry->info.epoch));
  const auto bytes = ReadFile(path, kMaxIndexBytes);
  if (bytes.ok()) {
    auto index = ParseIndex(*bytes, *key_);
    if (index.ok() && index->sealed() && index->epoch() == entry->info.epoch &&
        index->bytes() <= entry->info.valid_bytes) {
      entry->known = true;
      entry->max_wall_ns = index->max_wall_ns();
      entry->index = std::make_shared<const SegmentIndex>(*std::move(index));
      return absl::OkStatus();
    }
    LogWarning(path, ": ", index.ok() ? "of another segment" : index.status().message(),
               "; made anew");
  }
  ++rebuilt_;
  return Build(entry);
}

absl::StatusOr<const SegmentIndex*> LogIndex::IndexOf(uint64_t epoch) {
  const auto found = entries_.find(epoch);
  if (found == entries_.end()) return absl::NotFoundError(absl::StrCat("no segment ", epoch));
  Entry* entry = &found->second;
  entry->used = ++clock_;
  if (entry->builder != nullptr) return &entry->builder->index();
  if (entry->index == nullptr) RETURN_IF_ERROR(Load(entry));
  return entry->index.get();
}

std::vector<LogIndex::Segment> LogIndex::Segments() const {
  const absl::MutexLock lock(&mutex_);
  std::vector<Segment> segments;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    segments.push_back({it->first, it->second.known ? it->second.max_wall_ns : UINT64_MAX});
  }
  return segments;
}

absl::StatusOr<std::vector<ChunkRef>> LogIndex::Candidates(uint64_t epoch, const Terms& terms,
                                                           uint64_t* ruled_out) {
  const absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const SegmentIndex* index, IndexOf(epoch));
  std::vector<ChunkRef> candidates;
  for (const IndexChunk& chunk : index->chunks()) {
    if (!MayHold(chunk, terms)) {
      ++*ruled_out;
      continue;
    }
    candidates.push_back(
        {entries_[epoch].info.path, index->origin(), index->boot_id(), epoch, chunk});
    candidates.back().chunk.clear_bloom();
  }
  return candidates;
}

absl::StatusOr<ChunkRef> LogIndex::ChunkOf(uint64_t sequence) {
  const absl::MutexLock lock(&mutex_);
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    ASSIGN_OR_RETURN(const SegmentIndex* index, IndexOf(it->first));
    for (const IndexChunk& chunk : index->chunks()) {
      if (chunk.first_sequence() <= sequence && sequence < chunk.first_sequence() + chunk.records())
        return ChunkRef{it->second.info.path, index->origin(), index->boot_id(), it->first, chunk};
    }
  }
  return absl::NotFoundError(absl::StrCat("no record ", sequence));
}

absl::StatusOr<std::vector<ChunkRef>> LogIndex::ChunksFrom(uint64_t sequence, size_t most) {
  const absl::MutexLock lock(&mutex_);
  std::vector<ChunkRef> chunks;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    ASSIGN_OR_RETURN(const SegmentIndex* index, IndexOf(it->first));
    for (int i = index->chunks_size() - 1; i >= 0; --i) {
      const IndexChunk& chunk = index->chunks(i);
      if (chunk.records() == 0) continue;
      if (chunk.first_sequence() + chunk.records() <= sequence) {
        std::reverse(chunks.begin(), chunks.end());
        if (chunks.size() > most) chunks.resize(most);
        return chunks;
      }
      chunks.push_back({it->second.info.path, index->origin(), index->boot_id(), it->first, chunk});
      chunks.back().chunk.clear_bloom();
    }
  }
  std::reverse(chunks.begin(), chunks.end());
  if (chunks.size() > most) chunks.resize(most);
  return chunks;
}

uint64_t LogIndex::next_sequence() const {
  const absl::MutexLock lock(&mutex_);
  if (entries_.empty() || entries_.rbegin()->second.builder == nullptr) return 0;
  const SegmentIndex& index = entries_.rbegin()->second.builder->index();
  for (int i = index.chunks_size() - 1; i >= 0; --i) {
    const IndexChunk& chunk = index.chunks(i);
    if (chunk.records() > 0) return chunk.first_sequence() + chunk.records();
  }
  return 0;
}

std::optional<uint64_t> LogIndex::DetailsOf(uint64_t epoch, const ProcessKey& key) {
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(epoch);
  if (found != entries_.end() && found->second.builder != nullptr) {
    return found->second.builder->Details(key);
  }
  const auto index = IndexOf(epoch);
  return index.ok() ? FindDetails(**index, key) : std::nullopt;
}

absl::StatusOr<bool> LogIndex::ConfirmOne(std::string* wrong) {
  SegmentInfo info;
  {
    const absl::MutexLock lock(&mutex_);
    const auto unsure = std::find_if(entries_.rbegin(), entries_.rend(), [](const auto& entry) {
      return entry.second.finished && !entry.second.confirmed;
    });
    if (unsure == entries_.rend()) return false;
    info = unsure->second.info;
  }
  auto built = BuildIndex(info.path, info.valid_bytes);  // unlocked: it takes long
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(info.epoch);
  if (found == entries_.end()) return true;
  Entry* entry = &found->second;
  if (!built.ok()) {
    entry->confirmed = true;  // tried: searches say why they cannot
    return built.status();
  }
  if (entry->index == nullptr) RETURN_IF_ERROR(Load(entry));
  if (entry->index->SerializeAsString() == built->SerializeAsString()) {
    entry->confirmed = true;
    return true;
  }
  *wrong = absl::StrCat(info.path, ": its index said something else than the segment; made anew");
  ++rebuilt_;
  Keep(entry, *std::move(built));
  return true;
}

void LogIndex::Distrust(uint64_t epoch) {
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(epoch);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.builder.reset();
  entry.index.reset();
  entry.known = entry.confirmed = false;
  ::unlink(absl::StrCat(index_dir_, "/", IndexName(epoch)).c_str());
}

void LogIndex::Trim(size_t keep) {
  const absl::MutexLock lock(&mutex_);
  std::vector<Entry*> loaded;
  for (auto& [epoch, entry] : entries_) {
    if (entry.index != nullptr) loaded.push_back(&entry);
  }
  if (loaded.size() <= keep) return;
  std::sort(loaded.begin(), loaded.end(), [](auto* a, auto* b) { return a->used > b->used; });
  for (size_t i = keep; i < loaded.size(); ++i) loaded[i]->index.reset();
}

IndexCounts LogIndex::counts() const {
  const absl::MutexLock lock(&mutex_);
  IndexCounts counts;
  counts.segments = entries_.size();
  counts.rebuilt = rebuilt_;
  for (const auto& [epoch, entry] : entries_) {
    if (!entry.known) ++counts.pending;
    if (entry.confirmed || entry.builder != nullptr) ++counts.confirmed;
  }
  return counts;
}

}  // namespace cairn::ledger
