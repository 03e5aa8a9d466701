// cairn support: what somebody who helps needs to see, without names, addresses and keys.
#include "cli/support.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/config_files.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/io.h"
#include "base/status.h"
#include "base/version.h"
#include "cli/doctor.h"
#include "cli/logs.h"
#include "cli/status.h"
#include "re2/re2.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxFile = 256 << 10;

std::string Section(absl::string_view name, absl::string_view text) {
  return absl::StrCat("\n==== ", name, "\n", text, text.empty() || text.back() != '\n' ? "\n" : "");
}

std::string FileSection(const std::string& path) {
  const auto text = ReadFile(path, kMaxFile);
  return Section(path, text.ok() ? *text : std::string(text.status().message()));
}

// What `command`, one of our own constants, prints.
std::string CommandSection(const char* command) {
  FILE* pipe = ::popen(command, "r");
  if (pipe == nullptr) return Section(command, "cannot be run");
  std::string text;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    if (text.size() < kMaxFile) text.append(buffer, n);
  }
  ::pclose(pipe);
  return Section(command, text);
}

std::string ConfigSections(const Arguments& arguments) {
  std::string text;
  const std::string agent = arguments.Get("--config", "/etc/cairn/agent.yaml");
  for (const std::string& path : {agent, std::string("/etc/cairn/shipper.yaml"),
                                  std::string("/etc/cairn-collector/collector.yaml")}) {
    if (::access(path.c_str(), F_OK) != 0) continue;
    const auto files = ConfigFiles(path);
    if (!files.ok()) continue;
    for (const std::string& file : *files) text += FileSection(file);
  }
  return text;
}

std::string LogSection(const std::string& dir) {
  std::string text;
  const auto names = ListDirectory(dir);
  if (!names.ok()) return Section(dir, names.status().message());
  for (const std::string& name : *names) {
    struct stat st;
    if (::stat(absl::StrCat(dir, "/", name).c_str(), &st) == 0) {
      absl::StrAppend(&text, name, " ", st.st_size, "\n");
    }
  }
  return Section(dir, text);
}

std::string Collect(const Arguments& arguments) {
  std::string text = absl::StrCat("cairn ", kVersion, ", kernel ", KernelRelease(), "\n");
  text += FileSection("/etc/os-release") + FileSection("/proc/cmdline") +
          FileSection("/sys/kernel/security/lsm");
  text += Section("cairn doctor", FindingsJson(Examine(arguments)));
  const auto status = AskStatus(arguments);
  text += Section("cairn status",
                  status.ok() ? StatusJson(*status) : std::string(status.status().message()));
  text += ConfigSections(arguments);
  if (status.ok()) text += LogSection(status->log_dir());
  return text + CommandSection("ls -ln /etc/cairn /etc/cairn/policy.d 2>&1") +
         CommandSection(
             "journalctl --no-pager -q -n 300 -u cairnd -u cairn-shipper -u cairn-collectord 2>&1");
}

int RunSupport(const Arguments& arguments) {
  const std::string path = arguments.Get("--file", "cairn-support.txt");
  const std::string text = RedactForSupport(Collect(arguments), HostName());
  const auto fd = OpenFile(Io::Real(), path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd.ok()) return Fail(fd.status());
  const absl::Status written = WriteAll(Io::Real(), fd->get(), text, path);
  if (!written.ok()) return Fail(written);
  std::printf("%s: %zu bytes of text; read it before you send it\n", path.c_str(), text.size());
  return kOk;
}

}  // namespace

std::string RedactForSupport(std::string text, const std::string& host) {
  // Keys first: what they hold could look like anything else.
  static constexpr const char* kPatterns[][2] = {
      {R"((?s)-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----)", "<pem>"},
      {R"([A-Za-z0-9._/-]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{20,})", "<vkey>"},
      {R"(\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)", "<uuid>"},
      {R"(\b[0-9A-Fa-f]{32,}\b)", "<hex>"},
      {R"((?i)\b((?:token|password|secret|spki_sha256)["']?\s*[:=]\s*)[^\s,}]+)", R"(\1<secret>)"},
      {R"(\b[a-z][a-z0-9+.-]*://[^\s"',}]+)", "<url>"},
      {R"(\b\d{1,3}(?:\.\d{1,3}){3}\b)", "<ip>"},
      {R"((?i)\b(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}\b)", "<ip>"},
      {R"((?i)\b(address["']?\s*:\s*)["']?[^\s"',}]+)", R"(\1<address>)"},
      {R"(/home/[^/\s"']+)", "/home/<user>"},
  };
  for (const auto& pattern : kPatterns) RE2::GlobalReplace(&text, pattern[0], pattern[1]);
  if (!host.empty()) {
    RE2::GlobalReplace(&text, absl::StrCat(R"(\b)", RE2::QuoteMeta(host), R"(\b)"), "<host>");
  }
  return text;
}

Command SupportCommand() {
  Command command;
  command.name = "support";
  command.summary = "Write one text file for whoever helps you, without keys, names and addresses";
  command.details =
      "Versions, kernel, cairn doctor, cairn status, configuration, sizes of segments, the last\n"
      "lines of the journal. No records. Keys, uuids, host name, addresses, URLs and users' homes\n"
      "are replaced; read the file before you send it.";
  command.options = {{"--file", "FILE", "what to write (cairn-support.txt); it must not exist"},
                     {"--socket", "PATH", "cairnd's control socket (control.socket of agent.yaml)"},
                     kConfigOption};
  command.run = RunSupport;
  return command;
}

}  // namespace cairn::cli
