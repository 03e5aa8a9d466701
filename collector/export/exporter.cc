#include "collector/export/exporter.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/frame.h"
#include "ledger/merkle.h"
#include "ledger/segments.h"
#include "policy/event_json.h"
#include "policy/ocsf.h"
#include "proto/names.h"

namespace cairn::collector {
namespace {

constexpr size_t kReadBytes = 1 << 20;

struct Position {
  uint64_t epoch = 0;
  uint64_t sequence = 0;
};

absl::StatusOr<std::optional<Position>> LoadState(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const auto text = ReadFile(path, 4096);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  RETURN_IF_ERROR(text.status());
  Position position;
  const std::vector<absl::string_view> words =
      absl::StrSplit(*text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  if (words.size() != 4 || words[0] != "epoch" || words[2] != "sequence" ||
      !absl::SimpleAtoi(words[1], &position.epoch) ||
      !absl::SimpleAtoi(words[3], &position.sequence)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a state of an export; remove it to export everything again"));
  }
  return position;
}

}  // namespace

Exporter::Exporter(ExportOptions options, Sink* sink) : options_(std::move(options)), sink_(sink) {}

absl::StatusOr<std::unique_ptr<Exporter>> Exporter::Open(ExportOptions options, Sink* sink) {
  auto exporter = absl::WrapUnique(new Exporter(std::move(options), sink));
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(exporter->options_.log_dir + "/log.vkey", 4096));
  ASSIGN_OR_RETURN(exporter->key_, ledger::VerifierKey::Parse(absl::StripAsciiWhitespace(text)));
  RETURN_IF_ERROR(exporter->Restart());
  return exporter;
}

absl::Status Exporter::Restart() {
  ASSIGN_OR_RETURN(const std::optional<Position> state, LoadState(options_.state_file));
  ASSIGN_OR_RETURN(const auto segments, ledger::ListSegments(options_.log_dir));
  if (segments.empty()) return absl::NotFoundError(absl::StrCat(options_.log_dir, ": no segments"));
  uint64_t epoch = segments.front().epoch;
  next_ = saved_ = 0;
  if (state.has_value()) {
    next_ = saved_ = state->sequence;
    epoch = std::max(epoch, state->epoch);
  }
  waiting_.clear();
  emitted_ = absl::OkStatus();
  ledger::StreamOptions options;
  options.log_key = key_;
  options.on_block = [this](uint64_t index, absl::string_view, absl::string_view stored) {
    if (reading_ == nullptr) reading_ = std::make_shared<SegmentHeader>(verifier_->header());
    waiting_.push_back({reading_, index, std::string(stored)});
  };
  options.on_checkpoint = [this](const ledger::Checkpoint& checkpoint, absl::string_view) {
    if (emitted_.ok()) emitted_ = Emit(checkpoint.size);
  };
  verifier_ = std::make_unique<ledger::StreamVerifier>(std::move(options), std::nullopt);
  return OpenSegment(epoch);
}

absl::Status Exporter::OpenSegment(uint64_t epoch) {
  path_ = absl::StrCat(options_.log_dir, "/", ledger::SegmentName(epoch));
  ASSIGN_OR_RETURN(file_, OpenFile(Io::Real(), path_, O_RDONLY | O_NOFOLLOW));
  epoch_ = epoch;
  offset_ = 0;
  reading_ = nullptr;
  return verifier_->BeginSegment(path_);
}

// Only once this one is read to the end that the next one agrees with.
absl::StatusOr<bool> Exporter::NextSegment() {
  const std::string next = absl::StrCat(options_.log_dir, "/", ledger::SegmentName(epoch_ + 1));
  if (::access(next.c_str(), F_OK) != 0) return false;
  ASSIGN_OR_RETURN(const auto segments, ledger::ListSegments(options_.log_dir));
  for (const ledger::SegmentInfo& segment : segments) {
    if (segment.epoch == epoch_ && offset_ < segment.valid_bytes) return false;
  }
  RETURN_IF_ERROR(verifier_->EndSegment());
  RETURN_IF_ERROR(OpenSegment(epoch_ + 1));
  return true;
}

absl::StatusOr<bool> Exporter::Poll() {
  const uint64_t before = records_;
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    const ssize_t n =
        ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path_));
    if (n == 0) {
      ASSIGN_OR_RETURN(const bool more, NextSegment());
      if (!more) break;
      continue;
    }
    offset_ += static_cast<uint64_t>(n);
    RETURN_IF_ERROR(verifier_->Feed({buffer.data(), static_cast<size_t>(n)}));
    RETURN_IF_ERROR(emitted_);
  }
  if (next_ != saved_) {
    RETURN_IF_ERROR(sink_->Flush());
    RETURN_IF_ERROR(Save());
  }
  return records_ != before;
}

absl::Status Exporter::Emit(uint64_t size) {
  for (; !waiting_.empty() && waiting_.front().index < size; waiting_.pop_front()) {
    RETURN_IF_ERROR(EmitBlock(waiting_.front()));
  }
  return absl::OkStatus();
}

absl::Status Exporter::EmitBlock(const Waiting& block) {
  if (block.segment != walking_) {
    walking_ = block.segment;
    walk_.BeginSegment(*walking_);
    absl::string_view host = walking_->origin();
    host = host.substr(0, host.rfind('/'));
    host_ = std::string(host.substr(host.rfind('/') + 1));
  }
  const ledger::Hash leaf =
      options_.format == ExportFormat::kOcsf ? ledger::LeafHash(block.stored) : ledger::Hash{};
  return walk_.Walk(block.index, block.stored, [&](const ledger::LoggedRecord& logged) {
    if (logged.sequence < next_) return absl::OkStatus();
    line_.clear();
    if (options_.format == ExportFormat::kOcsf) {
      policy::AppendOcsf(logged, ledger::View(leaf), &line_);
    } else {
      policy::AppendEventJson(logged, &line_);
    }
    RETURN_IF_ERROR(
        sink_->Write(policy::RecordId(logged), EventName(logged.record->type()), host_, line_));
    next_ = logged.sequence + 1;
    ++records_;
    return absl::OkStatus();
  });
}

absl::Status Exporter::Save() {
  saved_ = next_;
  if (options_.state_file.empty()) return absl::OkStatus();
  const size_t slash = options_.state_file.rfind('/');
  // The segment that holds the next record: its processes are introduced there.
  const uint64_t epoch = waiting_.empty() ? epoch_ : waiting_.front().segment->epoch();
  return WriteFileDurably(Io::Real(), options_.state_file.substr(0, slash),
                          options_.state_file.substr(slash + 1),
                          absl::StrCat("epoch ", epoch, "\nsequence ", next_, "\n"), 0640);
}

}  // namespace cairn::collector
