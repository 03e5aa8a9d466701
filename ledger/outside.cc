#include "ledger/outside.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxReceipts = 100000;

}  // namespace

bool Outside::Add(absl::string_view text, absl::string_view where, absl::string_view code) {
  const absl::StatusOr<Note> note = Note::Parse(text);
  const absl::StatusOr<Checkpoint> checkpoint =
      note.ok() ? Checkpoint::Parse(note->text) : note.status();
  const auto pass_over = [&](absl::string_view why) {
    notes_.push_back(absl::StrCat(where, ": ", why));
    return false;
  };
  if (!checkpoint.ok()) return pass_over(checkpoint.status().message());
  if (log_key_.has_value() && CheckNote(*note, *log_key_) != NoteCheck::kValid) {
    return pass_over("not signed by the trusted key; ignored");
  }
  if (code == "receipt" && collector_key_.has_value()) {
    if (CheckNote(*note, *collector_key_) != NoteCheck::kValid) {
      return pass_over("no good cosignature by the collector's key");
    }
    ++receipts_;
    receipted_ = std::max(receipted_, checkpoint->size);
  }
  const absl::MutexLock lock(&mutex_);
  statements_.emplace(checkpoint->size,
                      Statement{std::string(where), std::string(code), *checkpoint});
  return true;
}

absl::StatusOr<size_t> Outside::AddReceipts(const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(dir));
  size_t taken = 0;
  for (size_t i = 0; i < std::min(names.size(), kMaxReceipts); ++i) {
    if (names[i].empty() || names[i][0] == '.') continue;
    const std::string place = absl::StrCat(dir, "/", names[i]);
    const auto text = ReadRegularFile(place, kMaxNoteBytes);
    if (!text.ok()) notes_.emplace_back(text.status().message());
    if (text.ok() && Add(*text, place, "receipt")) ++taken;
  }
  return taken;
}

void Outside::See(const Checkpoint& checkpoint) {
  const absl::MutexLock lock(&mutex_);
  const auto [begin, end] = statements_.equal_range(checkpoint.size);
  for (auto it = begin; it != end; ++it) {
    if (it->second.checkpoint.root == checkpoint.root &&
        it->second.checkpoint.origin == checkpoint.origin) {
      it->second.seen = true;
    }
  }
}

std::vector<Outside::Unseen> Outside::Missing() const {
  const absl::MutexLock lock(&mutex_);
  std::vector<Unseen> missing;
  uint64_t agreed = 0;
  for (const auto& [size, statement] : statements_) {
    if (statement.seen) agreed = std::max(agreed, size);
    if (!statement.seen) {
      missing.push_back({statement.where, statement.code, size, agreed < size ? agreed : 0});
    }
  }
  return missing;
}

}  // namespace cairn::ledger
