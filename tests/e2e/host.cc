#include "tests/e2e/host.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "tests/ledger/each_record.h"
#include "tests/paths.h"

namespace cairn {

bool Host::Prepare(const std::string& more_config) {
  if (!MakeDirectories(Io::Real(), Path("policy.d"), 0755).ok()) return false;
  Write("agent.yaml",
        absl::StrCat("deployment: e2e\nkeys: {dir: ", Path("keys"), "}\nlog: {dir: ", Path("log"),
                     "}\npolicy: {dir: ", Path("policy.d"), ", state_dir: ", Path("state"),
                     "}\ncontrol: {socket: ", Path("control.sock"),
                     "}\ncapture: {audit: \"off\", state_dir: ", Path("capture"), "}\n",
                     more_config));
  Write("policy.d/10.yaml", "schema: cairn.policy/v1\nmetadata: {name: e2e, serial: 1}\n");
  return Cairn("key init >/dev/null") == 0;
}

void Host::Write(const std::string& name, const std::string& text) const {
  ledger::WriteAllTo(Path(name), text);
}

int Host::Cairn(const std::string& arguments, std::string* output) const {
  size_t end = arguments.find_first_of(">|");
  if (end != std::string::npos && absl::EndsWith(arguments.substr(0, end), " 2")) --end;
  return Shell(
      absl::StrCat(ProgramPath("cairn"), " ", arguments.substr(0, end), " --config ",
                   Path("agent.yaml"), " ", end == std::string::npos ? "" : arguments.substr(end)),
      output);
}

bool Host::Start() {
  cairnd_.Start({ProgramPath("cairnd"), "--config", Path("agent.yaml")});
  for (int i = 0; i < 1200; ++i) {
    if (Cairn("status >/dev/null 2>&1") == 0) return true;
    ::usleep(50'000);
  }
  return false;
}

std::map<std::string, int> Host::ReadLog(int incarnation) const {
  std::map<std::string, int> seen;
  const std::string log = Path(absl::StrCat("log/", incarnation));
  ledger::ForEachRecord(log, [&seen](const ledger::LoggedRecord& logged) {
    ++seen[absl::StrCat("event ", logged.record->type())];
    const bool exec = logged.record->type() == PROCESS_EXEC && logged.process != nullptr;
    if (exec && logged.process->argv_size() > 1) {
      ++seen[logged.process->argv(logged.process->argv_size() - 1)];
    }
  });
  return seen;
}

ledger::Report Host::Verify() const {
  ledger::VerifyOptions options;
  options.self_key = true;
  return ledger::VerifyLog(Path("log/1"), options);
}

}  // namespace cairn
