#include "policy/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/status.h"
#include "policy/bundle.h"

namespace cairn::policy {
namespace {

constexpr size_t kMaxFiles = 1000;
constexpr size_t kMaxBytes = 4 << 20;
constexpr size_t kMaxTotal = 64 << 20;

std::string TooMuch(size_t bytes, absl::string_view what) {
  return absl::StrCat("longer than ", bytes, " bytes, the most ", what, " may have");
}

// Root or we own it, and nobody else may write it: the group's bits are those of an ACL's mask
// too. A sticky directory (/tmp) may be written by others as long as what we open in it is ours.
// What a FUSE file system says of owners and bytes is whatever the process behind it likes.
absl::Status CheckOwner(int fd, const struct stat& st, const std::string& path) {
  struct statfs system;
  if (::fstatfs(fd, &system) != 0) return ErrnoStatus(errno, absl::StrCat("statfs ", path));
  if (system.f_type == FUSE_SUPER_MAGIC) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": on a FUSE file system, whose server decides what it holds"));
  }
  if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": owned by user ", st.st_uid, ", not by root"));
  }
  const bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": others may write it (chmod go-w ", path, ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckFd(int fd, const std::string& path, bool check, mode_t kind) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if ((st.st_mode & S_IFMT) != kind) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a ", kind == S_IFDIR ? "directory" : "regular file"));
  }
  return check ? CheckOwner(fd, st, path) : absl::OkStatus();
}

std::string AbsolutePath(const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  char cwd[PATH_MAX];
  return ::getcwd(cwd, sizeof cwd) == nullptr ? path : absl::StrCat(cwd, "/", path);
}

// openat() down the path, one component at a time.
absl::StatusOr<Fd> OpenDirectory(const std::string& path, bool check) {
  Fd fd(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open /");
  std::string so_far;
  for (const absl::string_view part : absl::StrSplit(AbsolutePath(path), '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    absl::StrAppend(&so_far, "/", part);
    Fd next(::openat(fd.get(), std::string(part).c_str(),
                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid() && (errno == ELOOP || (errno == ENOTDIR && check))) {
      return absl::PermissionDeniedError(
          absl::StrCat(so_far, ": a symbolic link, or no directory"));
    }
    if (!next.valid()) return ErrnoStatus(errno, absl::StrCat("open ", so_far));
    RETURN_IF_ERROR(CheckFd(next.get(), so_far, check, S_IFDIR));
    fd = std::move(next);
  }
  return fd;
}

absl::StatusOr<std::vector<std::string>> YamlNames(int dir, const std::string& path) {
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy),
                                                   ::closedir);
  if (stream == nullptr) return ErrnoStatus(errno, absl::StrCat("read ", path));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const absl::string_view name = entry->d_name;
    if (name[0] == '.' || !absl::EndsWith(name, ".yaml")) continue;
    if (!IsPlainName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", EscapeBytes(name),
                       ": a policy file's name has only letters, digits, '.', '_' and '-'"));
    }
    names.emplace_back(name);
    if (names.size() > kMaxFiles) {
      return absl::ResourceExhaustedError(absl::StrCat(path, ": more than ", kMaxFiles, " files"));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadAt(int dir, const std::string& name, const std::string& path,
                                   bool check) {
  const Fd fd(::openat(dir, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid() && errno == ELOOP) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": a symbolic link"));
  }
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  RETURN_IF_ERROR(CheckFd(fd.get(), path, check, S_IFREG));
  std::string text;
  char buffer[64 << 10];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": ", TooMuch(kMaxBytes, "a policy file")));
    }
  }
}

void AddProblem(const absl::Status& status, const std::string& file,
                std::vector<Problem>* problems) {
  std::string cause(status.message());
  if (absl::StartsWith(cause, file + ": ")) cause = cause.substr(file.size() + 2);
  problems->push_back({file, {0, 0}, std::move(cause)});
}

// A manifest is checked wherever there is one; keys and their number where agent.yaml asks.
void CheckBundle(int dir, const LoadOptions& options, PolicyFiles* files,
                 std::vector<Problem>* problems) {
  const std::string path = absl::StrCat(options.dir, "/", kManifestName);
  const bool strict = options.require_signed;
  const absl::StatusOr<std::string> bytes =
      ReadAt(dir, kManifestName, path, options.check_permissions);
  if (absl::IsNotFound(bytes.status()) && !strict) return;
  if (absl::IsNotFound(bytes.status())) {
    problems->push_back({path, {0, 0}, "missing: agent.yaml asks for signed policies"});
    return;
  }
  const absl::StatusOr<Manifest> manifest =
      bytes.ok() ? CheckManifest(*bytes, options.trusted_keys, strict ? options.signatures : 0)
                 : absl::StatusOr<Manifest>(bytes.status());
  if (!manifest.ok()) return AddProblem(manifest.status(), path, problems);
  std::map<std::string, std::string> texts;
  for (const Source& source : files->sources) {
    texts[source.name.substr(source.name.find_last_of('/') + 1)] = source.text;
  }
  std::vector<std::string> causes;
  CompareManifest(*manifest, texts, &causes);
  for (std::string& cause : causes) problems->push_back({path, {0, 0}, std::move(cause)});
  files->signers = manifest->signers;
  files->serial = manifest->serial;
  files->manifest_path = path;
  files->manifest_digest = Sha256Of(manifest->text);
}

}  // namespace

PolicyFiles ReadPolicyFiles(const LoadOptions& options, std::vector<Problem>* problems) {
  PolicyFiles files;
  const absl::StatusOr<Fd> dir = OpenDirectory(options.dir, options.check_permissions);
  if (!dir.ok()) {
    AddProblem(dir.status(), options.dir, problems);
    return files;
  }
  const auto names = YamlNames(dir->get(), options.dir);
  if (!names.ok()) {
    AddProblem(names.status(), options.dir, problems);
    return files;
  }
  if (names->empty()) {
    problems->push_back({options.dir,
                         {0, 0},
                         "no *.yaml file (for the floor alone, put one there that says only "
                         "'schema: cairn.policy/v1')"});
  }
  size_t total = 0;
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(options.dir, "/", name);
    absl::StatusOr<std::string> text = ReadAt(dir->get(), name, path, options.check_permissions);
    if (!text.ok()) {
      AddProblem(text.status(), path, problems);
      continue;
    }
    total += text->size();
    if (total > kMaxTotal) {
      problems->push_back({path, {0, 0}, TooMuch(kMaxTotal, "all policy files")});
      break;
    }
    files.sources.push_back(ReadSource(path, *std::move(text), problems));
  }
  if (!names->empty() || options.require_signed) {
    const size_t before = problems->size();
    CheckBundle(dir->get(), options, &files, problems);
    // Where only signed rules count, what is not signed is not read, on no rung of the ladder.
    if (options.require_signed && problems->size() != before) files.sources.clear();
  }
  return files;
}

}  // namespace cairn::policy
