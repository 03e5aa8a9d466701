// Names of users, from the account file alone: no NSS, no network, no library that loads code.
#ifndef CAIRN_AGENT_CAPTURE_USERS_H_
#define CAIRN_AGENT_CAPTURE_USERS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace cairn::capture {

// One thread.
class Users {
 public:
  // `path`: a file as passwd(5); at most 8 MiB of it are read. Missing: no names.
  explicit Users(std::string path = "/etc/passwd") : path_(std::move(path)) {}

  // The name of `uid`; empty when it has none. Looks at most once a second whether the file
  // changed. Valid until the next call.
  absl::string_view Name(uint32_t uid, uint64_t now_ns);

  // Reads lines of passwd(5) in place of the file's.
  void Parse(absl::string_view text);

 private:
  void Reload();

  const std::string path_;
  absl::flat_hash_map<uint32_t, std::string> names_;
  uint64_t looked_ns_ = 0;
  int64_t modified_ns_ = -1;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_USERS_H_
