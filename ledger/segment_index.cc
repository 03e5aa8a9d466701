#include "ledger/segment_index.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status.h"
#include "ledger/block_records.h"
#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/open_segment.h"

namespace cairn::ledger {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMacBytes = 32;
constexpr size_t kDetailBytes = 24;
constexpr uint32_t kVersion = 1;

std::string DetailKey(const ProcessKey& key) {
  std::string bytes;
  PutU32(&bytes, key.pid);
  PutU64(&bytes, key.start_ns);
  PutU32(&bytes, key.generation);
  return bytes;
}

std::string Mac(absl::string_view body, const Secret32& key) {
  std::string mac(kMacBytes, '\0');
  unsigned int size = 0;
  ::HMAC(EVP_sha256(), key.data(), Secret32::kSize,
         reinterpret_cast<const unsigned char*>(body.data()), body.size(),
         reinterpret_cast<unsigned char*>(mac.data()), &size);
  return mac;
}

}  // namespace

bool HasDetails(const Process& process) {
  return process.argv_size() > 0 || process.ppid() != 0 || process.ancestors_size() > 0;
}

class IndexBuilder::Impl {
 public:
  Impl() { index_.set_version(kVersion); }

  absl::Status Add(absl::string_view bytes) {
    buffer_.append(bytes.data(), bytes.size());
    for (;;) {
      const absl::string_view rest = absl::string_view(buffer_).substr(used_);
      FrameView frame{};
      std::string cause;
      const bool header = !header_seen_;
      const FrameEnd end = header ? Header(&frame, &cause) : ParseFrame(rest, &frame, &cause);
      if (end == FrameEnd::kBad) {
        return absl::DataLossError(absl::StrCat("byte ", index_.bytes(), ": ", cause));
      }
      if (end == FrameEnd::kNeedMore) break;
      if (!header) RETURN_IF_ERROR(Take(frame, rest.substr(0, frame.size)));
      used_ += frame.size;
      index_.set_bytes(index_.bytes() + frame.size);
    }
    buffer_.erase(0, used_);
    used_ = 0;
    return absl::OkStatus();
  }

  uint64_t next_offset() const { return index_.bytes() + buffer_.size(); }
  const SegmentIndex& index() const { return index_; }

  SegmentIndex Finish() && {
    if (open_ != nullptr) CloseChunk();
    std::string* details = index_.mutable_details();
    for (const auto& [key, offset] : details_) {
      details->append(key);
      PutU64(details, offset);
    }
    index_.set_sealed(true);
    return std::move(index_);
  }

  std::optional<uint64_t> Details(const ProcessKey& key) const {
    const auto found = details_.find(DetailKey(key));
    if (found == details_.end()) return std::nullopt;
    return found->second;
  }

 private:
  FrameEnd Header(FrameView* frame, std::string* cause) {
    SegmentHeader header;
    const FrameEnd end = ParseHeader(buffer_, &header, &frame->size, cause);
    if (end != FrameEnd::kFrame) return end;
    header_seen_ = true;
    next_block_ = header.first_block();
    walk_.BeginSegment(header);
    index_.set_origin(header.origin());
    index_.set_epoch(header.epoch());
    return end;
  }

  absl::Status Take(const FrameView& frame, absl::string_view whole) {
    if (open_ == nullptr) OpenChunk();
    if (frame.type == FrameType::kBlock) {
      const absl::Status taken = TakeBlock(frame.body);
      if (!taken.ok()) {
        return absl::DataLossError(absl::StrCat("byte ", index_.bytes(), ": ", taken.message()));
      }
    }
    if (frame.type == FrameType::kRedacted) ++next_block_;
    chunk_bytes_.append(whole.data(), whole.size());
    open_->set_end(index_.bytes() + frame.size);
    if (chunk_bytes_.size() >= kChunkBytes || frame.type == FrameType::kSeal) CloseChunk();
    return absl::OkStatus();
  }

  void OpenChunk() {
    open_ = index_.add_chunks();
    open_->set_offset(index_.bytes());
    open_->set_first_block(next_block_);
    open_->set_min_wall_ns(UINT64_MAX);
    open_->set_types(std::string(32, '\0'));
  }

  void CloseChunk() {
    open_->set_bloom(MakeBloom(terms_));
    open_->set_digest(std::string(View(Sha256({chunk_bytes_}))));
    terms_.clear();
    chunk_bytes_.clear();
    open_ = nullptr;
  }

  absl::Status TakeBlock(absl::string_view body) {
    if (body.size() <= kTagBytes) return absl::InvalidArgumentError("not a block: no bytes");
    uint64_t records = 0;
    const auto take = [&](const LoggedRecord& logged) {
      if (open_->records() + records++ == 0) open_->set_first_sequence(logged.sequence);
      TakeRecord(logged);
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(walk_.Walk(next_block_, body.substr(kTagBytes), take));
    for (const Process& process : walk_.block().processes()) RememberDetails(process);
    open_->set_records(open_->records() + records);
    ++next_block_;
    return absl::OkStatus();
  }

  void TakeRecord(const LoggedRecord& logged) {
    const Record& record = *logged.record;
    const uint64_t wall_ns = logged.wall_ns;
    if (record.has_epoch_open()) index_.set_boot_id(record.epoch_open().boot_id());
    open_->set_min_wall_ns(std::min(open_->min_wall_ns(), wall_ns));
    open_->set_max_wall_ns(std::max(open_->max_wall_ns(), wall_ns));
    if (index_.min_wall_ns() == 0 || wall_ns < index_.min_wall_ns()) {
      index_.set_min_wall_ns(wall_ns);
    }
    index_.set_max_wall_ns(std::max(index_.max_wall_ns(), wall_ns));
    const auto type = static_cast<uint32_t>(record.type());
    if (type < 256) {
      char& bits = (*open_->mutable_types())[type / 8];
      bits = static_cast<char>(static_cast<uint8_t>(bits) | 1u << type % 8);
    }
    AddTerms(logged, &terms_);
  }

  void RememberDetails(const Process& process) {
    if (HasDetails(process)) details_[DetailKey(ProcessKey::Of(process))] = index_.bytes();
  }

  SegmentIndex index_;
  bool header_seen_ = false;
  uint64_t next_block_ = 0;
  std::string buffer_;  // from index_.bytes() on
  size_t used_ = 0;
  IndexChunk* open_ = nullptr;  // last of index_
  std::string chunk_bytes_;
  TermSet terms_;
  BlockRecords walk_;
  std::map<std::string, uint64_t> details_;
};

IndexBuilder::IndexBuilder() : impl_(std::make_unique<Impl>()) {}
IndexBuilder::~IndexBuilder() = default;
absl::Status IndexBuilder::Add(absl::string_view bytes) { return impl_->Add(bytes); }
uint64_t IndexBuilder::next_offset() const { return impl_->next_offset(); }
const SegmentIndex& IndexBuilder::index() const { return impl_->index(); }
std::optional<uint64_t> IndexBuilder::Details(const ProcessKey& key) const {
  return impl_->Details(key);
}
SegmentIndex IndexBuilder::Finish() && { return std::move(*impl_).Finish(); }

absl::StatusOr<SegmentIndex> BuildIndex(const std::string& segment_path, uint64_t limit) {
  ASSIGN_OR_RETURN(const Fd fd, OpenSegment(segment_path));
  IndexBuilder builder;
  std::string buffer(kReadBytes, '\0');
  while (builder.next_offset() < limit) {
    const ssize_t n = ::read(fd.get(), buffer.data(),
                             std::min<uint64_t>(buffer.size(), limit - builder.next_offset()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", segment_path));
    if (n == 0) break;
    const absl::Status added = builder.Add({buffer.data(), static_cast<size_t>(n)});
    if (!added.ok()) return Annotate(added, segment_path);
  }
  return std::move(builder).Finish();
}

std::string FormatIndex(const SegmentIndex& index, const Secret32& key) {
  const std::string body = index.SerializeAsString();
  return absl::StrCat(Mac(body, key), body);
}

absl::StatusOr<SegmentIndex> ParseIndex(absl::string_view bytes, const Secret32& key) {
  if (bytes.size() <= kMacBytes) return absl::DataLossError("not an index: too short");
  const absl::string_view body = bytes.substr(kMacBytes);
  if (::CRYPTO_memcmp(Mac(body, key).data(), bytes.data(), kMacBytes) != 0) {
    return absl::DataLossError("not an index made here: its code is wrong");
  }
  SegmentIndex index;
  if (!index.ParseFromArray(body.data(), static_cast<int>(body.size())) || !IsWellFormed(index)) {
    return absl::DataLossError("not an index: malformed");
  }
  return index;
}

bool IsWellFormed(const SegmentIndex& index) {
  if (index.version() != kVersion || index.details().size() % kDetailBytes != 0) return false;
  // Chunks touch: what no chunk covers would never be looked at.
  uint64_t at = index.chunks().empty() ? index.bytes() : index.chunks(0).offset();
  std::optional<uint64_t> sequence;
  for (const IndexChunk& chunk : index.chunks()) {
    const size_t bloom = chunk.bloom().size();
    if (chunk.offset() != at || chunk.end() <= chunk.offset() || chunk.types().size() != 32 ||
        (bloom & (bloom - 1)) != 0 || chunk.end() - chunk.offset() > 2 * kChunkBytes) {
      return false;
    }
    at = chunk.end();
    if (chunk.records() == 0) continue;
    if (sequence.has_value() && chunk.first_sequence() != *sequence) return false;
    sequence = chunk.first_sequence() + chunk.records();
  }
  return at == index.bytes();
}

bool MayHold(const IndexChunk& chunk, const Terms& terms) {
  if (chunk.records() == 0) return false;
  if (chunk.max_wall_ns() < terms.since_ns || chunk.min_wall_ns() > terms.until_ns) return false;
  if (terms.types.any()) {
    bool any = false;
    for (size_t type = 0; type < 256 && !any; ++type) {
      any = terms.types[type] && (static_cast<uint8_t>(chunk.types()[type / 8]) >> type % 8 & 1);
    }
    if (!any) return false;
  }
  return std::all_of(terms.any_of.begin(), terms.any_of.end(), [&](const auto& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](Term term) { return MayHold(chunk.bloom(), term); });
  });
}

std::optional<uint64_t> FindDetails(const SegmentIndex& index, const ProcessKey& key) {
  const std::string wanted = DetailKey(key);
  const absl::string_view all = index.details();
  size_t low = 0;
  size_t high = all.size() / kDetailBytes;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const absl::string_view entry = all.substr(middle * kDetailBytes, kDetailBytes);
    if (entry.substr(0, wanted.size()) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low * kDetailBytes >= all.size()) return std::nullopt;
  const absl::string_view entry = all.substr(low * kDetailBytes, kDetailBytes);
  if (entry.substr(0, wanted.size()) != wanted) return std::nullopt;
  return GetU64(entry.data() + wanted.size());
}

}  // namespace cairn::ledger
