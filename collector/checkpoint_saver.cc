#include "collector/checkpoint_saver.h"

#include <utility>

#include "ledger/format.h"

namespace cairn::collector {

CheckpointSaver::CheckpointSaver(Io* io, bool background,
                                 std::function<void(const absl::Status&)> failed)
    : io_(io), failed_(std::move(failed)) {
  if (background) thread_ = std::thread([this] { Loop(); });
}

CheckpointSaver::~CheckpointSaver() {
  if (!thread_.joinable()) return;
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void CheckpointSaver::Save(const std::string& dir, ledger::CheckpointFile file) {
  if (!thread_.joinable()) return Write(dir, file);
  const absl::MutexLock lock(&mutex_);
  waiting_[dir] = std::move(file);
}

void CheckpointSaver::Finish(const std::string& dir) {
  const auto done = [this, &dir]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return writing_ != dir && waiting_.count(dir) == 0;
  };
  const absl::MutexLock lock(&mutex_, absl::Condition(&done));
}

void CheckpointSaver::Write(const std::string& dir, const ledger::CheckpointFile& file) {
  const absl::Status written =
      WriteFileDurably(io_, dir, ledger::kCheckpointFile, ledger::FormatCheckpointFile(file), 0440);
  if (!written.ok()) failed_(written);
}

void CheckpointSaver::Loop() {
  const auto due = [this]()
                       ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stop_ || !waiting_.empty(); };
  for (;;) {
    ledger::CheckpointFile file;
    std::string dir;
    {
      const absl::MutexLock lock(&mutex_, absl::Condition(&due));
      if (waiting_.empty()) return;
      const auto first = waiting_.begin();
      dir = writing_ = first->first;
      file = std::move(first->second);
      waiting_.erase(first);
    }
    Write(dir, file);
    const absl::MutexLock lock(&mutex_);
    writing_.clear();
  }
}

}  // namespace cairn::collector
