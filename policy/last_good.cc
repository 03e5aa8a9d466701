#include "policy/last_good.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn::policy {
namespace {

constexpr char kName[] = "last-good";
constexpr size_t kMaxBytes = 64 << 20;

}  // namespace

absl::StatusOr<SavedPolicy> ReadLastGood(const std::string& state_dir) {
  const std::string path = absl::StrCat(state_dir, "/", kName);
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != ::geteuid()) ||
      (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": others may write it"));
  }
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxBytes));
  SavedPolicy saved;
  if (!saved.ParseFromString(bytes)) return absl::DataLossError(absl::StrCat(path, ": damaged"));
  return saved;
}

absl::Status WriteLastGood(const SavedPolicy& saved, const std::string& state_dir) {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), state_dir, 0700));
  return WriteFileDurably(Io::Real(), state_dir, kName, saved.SerializeAsString(), 0600);
}

SavedPolicy Save(const PolicyFiles& files, const SavedPolicy& before) {
  SavedPolicy saved;
  *saved.mutable_serials() = before.serials();
  for (const Source& source : files.sources) {
    auto* file = saved.add_files();
    file->set_name(source.name);
    file->set_text(source.text);
    const Metadata& metadata = source.file.metadata();
    uint64_t& serial = (*saved.mutable_serials())[metadata.name()];
    serial = std::max(serial, metadata.serial());
  }
  saved.set_bundle_serial(std::max(before.bundle_serial(), files.serial));
  saved.set_bundle_digest(files.serial >= before.bundle_serial() ? files.manifest_digest
                                                                 : before.bundle_digest());
  for (const std::string& signer : files.signers) saved.add_signers(signer);
  return saved;
}

void CheckSerials(const PolicyFiles& files, const SavedPolicy& before,
                  std::vector<Problem>* problems) {
  for (const Source& source : files.sources) {
    const Metadata& metadata = source.file.metadata();
    const auto seen = before.serials().find(metadata.name());
    if (seen == before.serials().end() || metadata.serial() >= seen->second) continue;
    problems->push_back({source.name, PlaceOf(source, "metadata.serial"),
                         absl::StrCat("metadata.serial: ", metadata.serial(), " is lower than ",
                                      seen->second, ", which was in force (a serial only rises)")});
  }
  if (files.serial == 0 || before.bundle_serial() == 0) return;
  if (files.serial < before.bundle_serial()) {
    problems->push_back({files.manifest_path,
                         {2, 1},
                         absl::StrCat("serial ", files.serial, " is lower than ",
                                      before.bundle_serial(), ", which was in force")});
  } else if (files.serial == before.bundle_serial() &&
             files.manifest_digest != before.bundle_digest()) {
    problems->push_back(
        {files.manifest_path,
         {2, 1},
         absl::StrCat("serial ", files.serial, " was in force with other content: raise it")});
  }
}

}  // namespace cairn::policy
