#include "cli/logs.h"

#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/agent_config.h"
#include "base/host.h"
#include "base/io.h"
#include "base/status.h"
#include "cli/archived_log.h"
#include "ledger/segments.h"

namespace cairn::cli {
namespace {

constexpr char kTrustedKeys[] = "/etc/cairn/trusted.vkeys";
constexpr size_t kMaxKeyFile = 1 << 20;

bool IsDirectory(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

absl::StatusOr<std::string> Resolve(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, path);
  if (!S_ISDIR(st.st_mode)) return path;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  for (const std::string& name : names) {
    if (absl::EndsWith(name, ".seg")) return path;
  }
  ASSIGN_OR_RETURN(const int incarnation, NewestIncarnation(path));
  const std::string newest = absl::StrCat(path, "/", incarnation);
  return IsDirectory(newest) ? newest : path;
}

}  // namespace

const Option kConfigOption = {"--config", "FILE",
                              "the agent's configuration (/etc/cairn/agent.yaml)"};

absl::StatusOr<config::AgentConfig> AgentConfigOf(const Arguments& arguments) {
  const std::string path = arguments.Get("--config", kAgentConfigPath);
  auto config = LoadAgentConfig(path);
  if (!arguments.Has("--config") && absl::IsNotFound(config.status())) return DefaultAgentConfig();
  return config;
}

absl::Status WriteAgentDropIn(const Arguments& arguments, const std::string& name,
                              absl::string_view lines) {
  const std::string config = arguments.Get("--config", kAgentConfigPath);
  const std::string dir = absl::StrCat(absl::StripSuffix(config, ".yaml"), ".d");
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir, 0755));
  return WriteFileDurably(Io::Real(), dir, name, lines, 0644);
}

absl::StatusOr<std::vector<std::string>> LogsOf(const Arguments& arguments) {
  std::vector<std::string> logs;
  for (const std::string& word : arguments.words()) {
    if (IsArchived(word)) {
      logs.push_back(word);
      continue;
    }
    ASSIGN_OR_RETURN(std::string log, Resolve(word));
    logs.push_back(std::move(log));
  }
  if (!logs.empty()) return logs;
  ASSIGN_OR_RETURN(std::string log, LogOption(arguments));
  logs.push_back(std::move(log));
  return logs;
}

absl::StatusOr<std::string> LogOption(const Arguments& arguments) {
  if (arguments.Has("--log")) return Resolve(arguments.Get("--log"));
  ASSIGN_OR_RETURN(const config::AgentConfig config, AgentConfigOf(arguments));
  return Resolve(config.log().dir());
}

absl::StatusOr<std::string> OriginOf(const std::string& log) {
  std::string path = log;
  if (IsDirectory(log)) {
    ASSIGN_OR_RETURN(const auto segments, ledger::ListSegments(log));
    if (segments.empty()) return absl::NotFoundError(absl::StrCat(log, ": no segments"));
    path = segments.front().path;
  }
  ASSIGN_OR_RETURN(const SegmentHeader header, ledger::ReadHeader(path));
  return header.origin();
}

absl::StatusOr<ledger::VerifierKey> VerifierKeyOf(const std::string& text_or_file) {
  struct stat st;
  if (::stat(text_or_file.c_str(), &st) != 0) return ledger::VerifierKey::Parse(text_or_file);
  ASSIGN_OR_RETURN(const std::string text, ReadFile(text_or_file, kMaxKeyFile));
  auto key = ledger::VerifierKey::Parse(absl::StripSuffix(text, "\n"));
  if (!key.ok()) return Annotate(key.status(), text_or_file);
  return key;
}

absl::StatusOr<std::vector<ledger::VerifierKey>> TrustedKeys() {
  std::vector<ledger::VerifierKey> keys;
  const auto text = ReadFile(kTrustedKeys, kMaxKeyFile);
  if (absl::IsNotFound(text.status())) return keys;
  RETURN_IF_ERROR(text.status());
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++line_number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    auto key = ledger::VerifierKey::Parse(line);
    if (!key.ok()) return Annotate(key.status(), absl::StrCat(kTrustedKeys, ":", line_number));
    keys.push_back(*std::move(key));
  }
  return keys;
}

}  // namespace cairn::cli
