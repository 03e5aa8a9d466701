// What is recorded whatever a file says.
#include "policy/policy.h"

namespace cairn::policy {
namespace {

constexpr absl::string_view kFloor =
    R"(# The floor: compiled into cairnd, in force below every policy. No file can switch off or lower
# what it records. `lists.own` stands for the agent's own places, as agent.yaml names them.
#
# An environment's overlay may lower only these: categories file, net, ns, service, tty; limits.
schema: cairn.policy/v1
metadata: {name: floor, serial: 1, owner: cairn}

rules:
  - id: floor:agent
    description: What the agent says of itself, policy changes among it
    on: [agent.*]

  - id: floor:exec
    description: Every program that starts
    on: [process.exec]

  - id: floor:own-files
    description: Access to the agent's own files
    on: [file.open, file.create, file.write, file.delete, file.rename, file.link, file.truncate,
         file.chmod, file.chown, file.xattr, file.utimes, file.mount, file.umount]
    when: lists.own.exists(p, file.path.startsWith(p))
    severity: medium

  - id: floor:own-files-replaced
    description: Something renamed or linked over the agent's own files
    on: [file.rename, file.link]
    when: lists.own.exists(p, target.path.startsWith(p))
    severity: medium

  - id: floor:audit
    description: Changes to the kernel's audit rules and settings, and what it lost
    on: [audit.rule_change, audit.config_change, audit.lost, audit.daemon]

  - id: floor:kernel
    description: Modules, BPF programs, kexec, clock
    on: [kernel.module_load, kernel.module_unload, kernel.bpf, kernel.kexec, kernel.clock_set]

  - id: floor:credentials
    description: Changes of user, group and capabilities
    on: [cred.setuid, cred.setgid, cred.capset, cred.exec]

  - id: floor:account
    description: Changes to accounts
    on: [account.change]

  - id: floor:login
    description: Logins, logouts and failed attempts
    on: [auth.login, auth.logout, auth.failure]
)";

}  // namespace

absl::string_view FloorText() { return kFloor; }

absl::string_view RungName(Rung rung) {
  static constexpr absl::string_view kNames[] = {"configured", "last-known-good", "additive",
                                                 "floor"};
  return kNames[static_cast<size_t>(rung)];
}

}  // namespace cairn::policy
