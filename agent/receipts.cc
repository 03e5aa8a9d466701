#include "agent/receipts.h"

#include <fcntl.h>
#include <grp.h>
#include <openssl/sha.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxFiles = 64;
constexpr size_t kMaxBytes = 32 << 10;
constexpr absl::string_view kArchivedSuffix = ".archived";

// The bytes of DIR/NAME; empty when it is not a short regular file.
std::string ReadReceiptFile(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return "";
  std::string bytes(kMaxBytes + 1, '\0');
  const ssize_t n = ::read(fd.get(), bytes.data(), bytes.size());
  if (n < 0 || static_cast<size_t>(n) > kMaxBytes) return "";
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

// The shipper writes there by its group, so that root without CAP_CHOWN (a member of it) can give
// the directory away. Who may see it at all is the log directory's matter.
void GiveToShipper(const std::string& dir) {
  const group* shipper = ::getgrnam("cairn-shipper");
  if (shipper == nullptr || ::geteuid() != 0) return;
  if (::lchown(dir.c_str(), static_cast<uid_t>(-1), shipper->gr_gid) != 0 ||
      ::chmod(dir.c_str(), 0775) != 0) {
    LogWarning(dir, ": cannot be given to group cairn-shipper: ", std::strerror(errno));
  }
}

}  // namespace

Receipts::Receipts(std::string dir, Fd inotify, ledger::VerifierKey log_key,
                   std::vector<ledger::VerifierKey> collectors, bool only_archived)
    : dir_(std::move(dir)),
      inotify_(std::move(inotify)),
      log_key_(std::move(log_key)),
      collectors_(std::move(collectors)),
      only_archived_(only_archived) {}

absl::StatusOr<std::unique_ptr<Receipts>> Receipts::Watch(
    const std::string& dir, ledger::VerifierKey log_key,
    std::vector<ledger::VerifierKey> collectors, bool only_archived) {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir, 0750));
  GiveToShipper(dir);
  Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify.valid()) return ErrnoStatus(errno, "inotify");
  if (::inotify_add_watch(inotify.get(), dir.c_str(),
                          IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR | IN_DONT_FOLLOW) < 0) {
    return ErrnoStatus(errno, absl::StrCat("watch ", dir));
  }
  return absl::WrapUnique(new Receipts(dir, std::move(inotify), std::move(log_key),
                                       std::move(collectors), only_archived));
}

std::vector<ReceiptSeen> Receipts::Read(uint64_t size, std::string* error) {
  char events[4096];
  while (::read(inotify_.get(), events, sizeof(events)) > 0) {
    // Which file it was does not matter: there are few, and all are looked at.
  }
  std::vector<ReceiptSeen> seen;
  const auto names = ListDirectory(dir_);
  if (!names.ok()) return seen;
  size_t files = 0;
  for (const std::string& name : *names) {
    if (name[0] == '.') continue;  // being written
    if (++files > kMaxFiles) break;
    ReadOne(name, size, &seen, error);
  }
  return seen;
}

void Receipts::ReadOne(const std::string& name, uint64_t size, std::vector<ReceiptSeen>* seen,
                       std::string* error) {
  const std::string bytes = ReadReceiptFile(absl::StrCat(dir_, "/", name));
  if (bytes.empty()) return;
  const auto note = ledger::Note::Parse(bytes);
  if (!note.ok()) return;
  const bool archived = absl::EndsWith(name, kArchivedSuffix);
  for (const ledger::VerifierKey& collector : collectors_) {
    ReceiptSeen receipt;
    if (!Take(*note, bytes, collector, archived, size, &receipt, error)) continue;
    const auto same = std::find_if(seen->begin(), seen->end(), [&](const ReceiptSeen& other) {
      return other.collector() == collector.name;
    });
    same == seen->end() ? seen->push_back(std::move(receipt)) : void(*same = std::move(receipt));
  }
}

bool Receipts::Take(const ledger::Note& note, const std::string& bytes,
                    const ledger::VerifierKey& signer, bool archived, uint64_t size,
                    ReceiptSeen* receipt, std::string* error) {
  const auto checkpoint = ledger::Checkpoint::Parse(note.text);
  if (!checkpoint.ok() || checkpoint->origin != log_key_.name) return false;
  const auto known = newest_.find(signer.name);
  const bool newer = known == newest_.end() || checkpoint->size > known->second.size();
  const bool frees = archived >= only_archived_ && checkpoint->size > deletable_.size;
  if (!newer && !frees) return false;
  uint64_t time_s = 0;
  if (ledger::CheckNote(note, signer, &time_s) != ledger::NoteCheck::kValid ||
      ledger::CheckNote(note, log_key_) != ledger::NoteCheck::kValid) {
    return false;
  }
  if (checkpoint->size > size) {
    *error = absl::StrCat(signer.name, " holds ", checkpoint->size,
                          " blocks that our key signed; this disk has ", size);
    return false;
  }
  if (frees) deletable_ = {checkpoint->size, bytes};
  if (!newer) return false;
  receipt->set_collector(signer.name);
  receipt->set_size(checkpoint->size);
  receipt->set_time_s(time_s);
  receipt->set_archived(archived);
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  receipt->set_note_hash(hash);
  newest_[signer.name] = *receipt;
  return true;
}

uint64_t Receipts::covered() const {
  uint64_t size = 0;
  for (const auto& [name, receipt] : newest_) size = std::max(size, receipt.size());
  return size;
}

}  // namespace cairn::agent
