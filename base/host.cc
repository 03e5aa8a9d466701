#include "base/host.h"

#include <sys/random.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn {

std::string MakeUuid() {
  uint8_t bytes[16];
  // Only EINTR of a larger request or an ancient kernel can fail this.
  if (::getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) std::abort();
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes), sizeof(bytes)));
  const absl::string_view view = hex;
  return absl::StrCat(view.substr(0, 8), "-", view.substr(8, 4), "-", view.substr(12, 4), "-",
                      view.substr(16, 4), "-", view.substr(20));
}

bool IsUuid(absl::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(text[i]) || absl::ascii_isupper(text[i])) {
      return false;
    }
  }
  return true;
}

absl::StatusOr<std::string> LoadHostUuid(const std::string& keys_dir) {
  const std::string path = absl::StrCat(keys_dir, "/", kHostUuidName);
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 64));
  std::string uuid(absl::StripSuffix(text, "\n"));
  if (!IsUuid(uuid)) return absl::InvalidArgumentError(absl::StrCat(path, ": not a uuid"));
  return uuid;
}

std::string LogOrigin(absl::string_view deployment, absl::string_view uuid,
                      absl::string_view incarnation) {
  return absl::StrCat(deployment, "/h/", uuid, "/", incarnation);
}

absl::StatusOr<int> NewestIncarnation(const std::string& log_dir) {
  const auto names = ListDirectory(log_dir);
  if (absl::IsNotFound(names.status())) return 1;
  RETURN_IF_ERROR(names.status());
  int newest = 1;
  for (const std::string& name : *names) {
    int number = 0;
    if (absl::SimpleAtoi(name, &number) && number > 0 && absl::StrCat(number) == name) {
      newest = std::max(newest, number);
    }
  }
  return newest;
}

std::string BootId() {
  auto text = ReadFile("/proc/sys/kernel/random/boot_id", 64);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

std::string HostName() {
  utsname name;
  return ::uname(&name) == 0 ? name.nodename : "";
}

std::string KernelRelease() {
  utsname name;
  return ::uname(&name) == 0 ? name.release : "";
}

}  // namespace cairn
