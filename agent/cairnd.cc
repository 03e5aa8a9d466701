// cairnd: records what the kernel tells, in a log that shows every change made to it.
#include <linux/capability.h>

#include <string>
#include <utility>

#include "agent/daemon.h"
#include "agent/last_config.h"
#include "base/agent_config.h"
#include "base/daemon_main.h"
#include "base/status.h"
#include "policy/policy.h"

namespace {

absl::StatusOr<absl::AnyInvocable<absl::Status()>> Prepare(const std::string& path) {
  ASSIGN_OR_RETURN(cairn::agent::Configuration from, cairn::agent::LoadConfiguration(path));
  const auto& reserved = from.config.policy().reserved();
  RETURN_IF_ERROR(
      cairn::Annotate(cairn::policy::CheckReservedKeys({reserved.begin(), reserved.end()}), path));
  return [from = std::move(from), path]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto daemon, cairn::agent::Daemon::Start(from, path));
    return daemon->Run();
  };
}

}  // namespace

int main(int argc, char** argv) {
  const cairn::DaemonProgram program = {
      .name = "cairnd",
      .summary = "Records kernel events as the policy asks.",
      .config_path = cairn::kAgentConfigPath,
      .prepare = Prepare,
      // systemd/cairnd.service says what each is for. The last three are not needed under it:
      // it locks memory by its limits, and its groups give what CHOWN and FSETID give here.
      .capabilities = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_AUDIT_CONTROL, CAP_AUDIT_READ,
                       CAP_AUDIT_WRITE, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_IPC_LOCK,
                       CAP_CHOWN, CAP_FSETID},
      .network = cairn::Network::kLocalOnly,
      // Whoever makes events must not be able to keep it from them.
      .nice = -20,
  };
  return cairn::DaemonMain(program, argc, argv);
}
