#include "ledger/search.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/open_segment.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxProblems = 16;

absl::StatusOr<std::string> ReadRange(const std::string& path, uint64_t offset, uint64_t size) {
  ASSIGN_OR_RETURN(const Fd fd, OpenSegment(path));
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t n =
        ::pread(fd.get(), bytes.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

// Reads one chunk: its blocks in order, and of each process the details that stand elsewhere.
class ChunkReader {
 public:
  // `only`: numbers of the records to take, rising; null: all.
  ChunkReader(LogIndex* log, const ChunkRef& ref, bool details,
              const std::vector<uint64_t>* only = nullptr)
      : log_(log), ref_(ref), details_(details), only_(only) {}

  using Take = absl::FunctionRef<bool(const LoggedRecord&, absl::string_view block)>;

  absl::Status Read(Take take) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadRange(ref_.path, ref_.chunk.offset(),
                                                        ref_.chunk.end() - ref_.chunk.offset()));
    if (!ref_.chunk.digest().empty() && ref_.chunk.digest() != View(Sha256({bytes}))) {
      log_->Distrust(ref_.epoch);
      return absl::DataLossError(absl::StrCat(ref_.path, ": bytes ", ref_.chunk.offset(), " to ",
                                              ref_.chunk.end(),
                                              " are not those that were indexed"));
    }
    absl::string_view rest = bytes;
    uint64_t index = ref_.chunk.first_block();
    FrameView frame{};
    std::string cause;
    while (!rest.empty()) {
      const FrameEnd end = ParseFrame(rest, &frame, &cause);
      if (end != FrameEnd::kFrame) break;
      if (frame.type == FrameType::kBlock && frame.body.size() > kTagBytes) {
        ASSIGN_OR_RETURN(const bool more, ReadBlock(frame.body.substr(kTagBytes), index, take));
        if (!more) return absl::OkStatus();
      }
      if (frame.type == FrameType::kBlock || frame.type == FrameType::kRedacted) ++index;
      rest.remove_prefix(frame.size);
    }
    if (rest.empty()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(ref_.path, ": byte ", ref_.chunk.end() - rest.size(), ": ", cause));
  }

 private:
  absl::StatusOr<bool> ReadBlock(absl::string_view stored, uint64_t index, Take take) {
    RETURN_IF_ERROR(ParseBlock(stored, &block_));
    LoggedRecord logged;
    logged.block = index;
    logged.epoch = ref_.epoch;
    logged.policy_generation = block_.policy_generation();
    logged.boot_id = ref_.boot_id;
    logged.origin = ref_.origin;
    for (int i = 0; i < block_.records_size(); ++i) {
      const Record& record = block_.records(i);
      logged.sequence = block_.first_sequence() + static_cast<uint64_t>(i);
      if (only_ != nullptr && !std::binary_search(only_->begin(), only_->end(), logged.sequence)) {
        continue;
      }
      logged.time_ns = block_.first_time_ns() + static_cast<uint64_t>(record.time_delta_ns());
      logged.wall_ns = logged.time_ns + static_cast<uint64_t>(block_.wall_offset_ns()) +
                       static_cast<uint64_t>(record.wall_adjust_ns());
      logged.record = &record;
      logged.process = ProcessOf(record);
      logged.rules.clear();
      for (const uint32_t ref : record.rule_refs()) {
        logged.rules.emplace_back(block_.rules(static_cast<int>(ref) - 1));
      }
      if (!take(logged, stored)) return false;
    }
    block_.Clear();
    return true;
  }

  const Process* ProcessOf(const Record& record) {
    if (record.process_ref() == 0) return nullptr;
    const Process& process = block_.processes(static_cast<int>(record.process_ref()) - 1);
    if (!details_ || HasDetails(process)) return &process;
    auto [known, fresh] = whole_.try_emplace(ProcessKey::Of(process), nullptr);
    if (fresh) known->second = Fetch(process);
    return known->second != nullptr ? known->second.get() : &process;
  }

  std::unique_ptr<Process> Fetch(const Process& process) {
    const ProcessKey key = ProcessKey::Of(process);
    const std::optional<uint64_t> offset = log_->DetailsOf(ref_.epoch, key);
    if (!offset.has_value()) return nullptr;
    const auto bytes = ReadRange(ref_.path, *offset, kFramePrefixBytes + kMaxFrameBody);
    FrameView frame{};
    std::string cause;
    if (!bytes.ok() || ParseFrame(*bytes, &frame, &cause) != FrameEnd::kFrame ||
        frame.type != FrameType::kBlock || frame.body.size() <= kTagBytes ||
        !ParseBlock(frame.body.substr(kTagBytes), &details_block_).ok()) {
      return nullptr;
    }
    std::unique_ptr<Process> whole;
    for (const Process& candidate : details_block_.processes()) {
      if (ProcessKey::Of(candidate) == key) whole = std::make_unique<Process>(candidate);
    }
    details_block_.Clear();
    return whole;
  }

  LogIndex* const log_;
  const ChunkRef& ref_;
  const bool details_;
  const std::vector<uint64_t>* const only_;
  Block block_;
  Block details_block_;
  absl::flat_hash_map<ProcessKey, std::unique_ptr<Process>> whole_;
};

// A segment that was not looked into yet, or a chunk of one; by the newest time it may hold.
struct Work {
  uint64_t max_wall_ns = 0;
  LogIndex* log = nullptr;
  uint64_t epoch = 0;
  std::shared_ptr<ChunkRef> chunk;  // null: the segment
  bool operator<(const Work& other) const { return max_wall_ns < other.max_wall_ns; }
};

// Takes chunks from the newest on, until no other can hold anything newer than the page's last
// record.
class Searcher {
 public:
  Searcher(absl::Span<LogIndex* const> logs, const SearchQuery& query) : query_(query) {
    if (query.before.has_value()) until_ns_ = query.before->wall_ns;
    terms_ = query.terms;
    terms_.until_ns = std::min(terms_.until_ns, until_ns_);
    for (LogIndex* log : logs) {
      for (const LogIndex::Segment& segment : log->Segments()) {
        work_.push({segment.max_wall_ns, log, segment.epoch, nullptr});
      }
    }
  }

  SearchAnswer Run() && {
    while (!work_.empty()) {
      const Work next = work_.top();
      if (Full() && next.max_wall_ns < page_.top().key.wall_ns) break;
      if (next.max_wall_ns < terms_.since_ns) break;
      if (absl::Now() > query_.deadline) {
        answer_.timed_out = true;
        break;
      }
      work_.pop();
      const absl::Status done = next.chunk == nullptr ? Open(next) : Read(next);
      if (!done.ok() && answer_.problems.size() < kMaxProblems) {
        answer_.problems.emplace_back(done.message());
      }
    }
    return std::move(*this).Finish();
  }

 private:
  struct Newer {  // makes the queue's top the oldest
    bool operator()(const Found& a, const Found& b) const { return a.key > b.key; }
  };

  bool Full() const { return page_.size() >= query_.limit; }

  absl::Status Open(const Work& segment) {
    ASSIGN_OR_RETURN(std::vector<ChunkRef> chunks,
                     segment.log->Candidates(segment.epoch, terms_, &answer_.chunks_ruled_out));
    for (ChunkRef& chunk : chunks) {
      const uint64_t max_wall_ns = chunk.chunk.max_wall_ns();
      work_.push(
          {max_wall_ns, segment.log, segment.epoch, std::make_shared<ChunkRef>(std::move(chunk))});
    }
    return absl::OkStatus();
  }

  absl::Status Read(const Work& work) {
    ++answer_.chunks_read;
    std::vector<std::pair<uint64_t, uint64_t>> bare;  // wall time and number of what fits
    const auto take = [&](const LoggedRecord& logged, absl::string_view) {
      ++answer_.records_read;
      if (!Fits(logged)) return true;
      query_.wants_details ? Keep(logged)
                           : void(bare.emplace_back(logged.wall_ns, logged.sequence));
      return true;
    };
    RETURN_IF_ERROR(ReadChunk(work.log, *work.chunk, query_.wants_details, take));
    return Show(work, std::move(bare));
  }

  // Details of processes are fetched only for what the page can show.
  absl::Status Show(const Work& work, std::vector<std::pair<uint64_t, uint64_t>> bare) {
    if (bare.empty()) return absl::OkStatus();
    if (bare.size() > query_.limit) {
      std::nth_element(bare.begin(), bare.begin() + static_cast<ptrdiff_t>(query_.limit),
                       bare.end(), std::greater<>());
      bare.resize(query_.limit);
    }
    std::vector<uint64_t> only;
    only.reserve(bare.size());
    for (const auto& [wall_ns, sequence] : bare) only.push_back(sequence);
    std::sort(only.begin(), only.end());
    return ChunkReader(work.log, *work.chunk, true, &only)
        .Read([&](const LoggedRecord& logged, absl::string_view) {
          Keep(logged);
          return true;
        });
  }

  bool Fits(const LoggedRecord& logged) const {
    if (logged.wall_ns < query_.terms.since_ns || logged.wall_ns > terms_.until_ns) return false;
    const TimelineKey key{logged.wall_ns, std::string(logged.origin), logged.sequence};
    if (query_.before.has_value() && !(key < *query_.before)) return false;
    if (Full() && key < page_.top().key) return false;
    return !query_.wants || query_.wants(logged);
  }

  void Keep(const LoggedRecord& logged) {
    TimelineKey key{logged.wall_ns, std::string(logged.origin), logged.sequence};
    if (Full() && key < page_.top().key) return;
    page_.push({std::move(key), query_.show(logged)});
    if (page_.size() > query_.limit) page_.pop();
  }

  // After a timeout only what is newer than anything that was not read is sure to be in order.
  SearchAnswer Finish() && {
    const uint64_t unread_ns = answer_.timed_out ? work_.top().max_wall_ns : 0;
    for (; !page_.empty(); page_.pop()) {
      if (page_.top().key.wall_ns > unread_ns) answer_.records.push_back(page_.top());
    }
    std::reverse(answer_.records.begin(), answer_.records.end());
    answer_.exhausted = !answer_.timed_out && answer_.records.size() < query_.limit;
    if (!answer_.records.empty()) answer_.reached = answer_.records.back().key;
    if (answer_.timed_out) answer_.reached = {unread_ns, "\xff", UINT64_MAX};
    return std::move(answer_);
  }

  const SearchQuery& query_;
  Terms terms_;
  uint64_t until_ns_ = UINT64_MAX;
  std::priority_queue<Work> work_;
  std::priority_queue<Found, std::vector<Found>, Newer> page_;
  SearchAnswer answer_;
};

// Goes through a log from its oldest segment on.
class Scanner {
 public:
  Scanner(LogIndex* log, const Terms& terms, const std::bitset<256>& beside,
          absl::FunctionRef<bool(const LoggedRecord&)> take)
      : log_(log), terms_(terms), beside_(beside), take_(take) {}

  absl::Status Run() && {
    std::vector<LogIndex::Segment> segments = log_->Segments();
    for (auto segment = segments.rbegin(); segment != segments.rend() && !done_; ++segment) {
      // An index that was not of these bytes is made anew, once; what came before is not repeated.
      absl::Status read = ReadSegment(segment->epoch);
      if (absl::IsDataLoss(read)) read = ReadSegment(segment->epoch);
      RETURN_IF_ERROR(read);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadSegment(uint64_t epoch) {
    uint64_t ruled_out = 0;
    ASSIGN_OR_RETURN(const std::vector<ChunkRef> chunks,
                     log_->Candidates(epoch, Terms(), &ruled_out));
    ASSIGN_OR_RETURN(const std::vector<ChunkRef> fitting,
                     log_->Candidates(epoch, terms_, &ruled_out));
    auto fits = fitting.begin();
    for (const ChunkRef& chunk : chunks) {
      const bool fitted = fits != fitting.end() && fits->chunk.offset() == chunk.chunk.offset();
      if (fitted) ++fits;
      const bool read = fitted || (after_fitting_ && IsBeside(chunk));
      after_fitting_ = fitted;
      if (!read || done_) continue;
      RETURN_IF_ERROR(ReadChunk(log_, chunk, true, [this](const LoggedRecord& logged, auto) {
        if (logged.sequence < next_) return true;
        next_ = logged.sequence + 1;
        done_ = !take_(logged);
        return !done_;
      }));
    }
    return absl::OkStatus();
  }

  bool IsBeside(const ChunkRef& chunk) const {
    Terms terms;
    terms.types = beside_;
    return beside_.any() && MayHold(chunk.chunk, terms);
  }

  LogIndex* const log_;
  const Terms& terms_;
  const std::bitset<256>& beside_;
  const absl::FunctionRef<bool(const LoggedRecord&)> take_;
  bool after_fitting_ = false;
  bool done_ = false;
  uint64_t next_ = 0;
};

}  // namespace

SearchAnswer Search(absl::Span<LogIndex* const> logs, const SearchQuery& query) {
  return Searcher(logs, query).Run();
}

absl::Status Scan(LogIndex* log, const Terms& terms, const std::bitset<256>& beside,
                  absl::FunctionRef<bool(const LoggedRecord&)> take) {
  return Scanner(log, terms, beside, take).Run();
}

absl::Status ReadChunk(LogIndex* log, const ChunkRef& ref, bool details,
                       absl::FunctionRef<bool(const LoggedRecord&, absl::string_view block)> take) {
  return ChunkReader(log, ref, details).Read(take);
}

}  // namespace cairn::ledger
