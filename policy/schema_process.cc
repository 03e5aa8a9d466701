// Rows process.*: who did it.
#include "policy/schema_rows.h"

namespace cairn::policy {
namespace {

const Process& Who(const Event& event) {
  return event.process == nullptr ? Process::default_instance() : *event.process;
}

const Ancestor& Parent(const Event& event) {
  return Who(event).ancestors_size() == 0 ? Ancestor::default_instance() : Who(event).ancestors(0);
}

Value Id(const Event& event, uint32_t (Process::*get)() const) {
  return Value::Int(event.process == nullptr ? kUnset : (event.process->*get)());
}

Value ParentId(const Event& event, uint32_t (Ancestor::*get)() const) {
  return Value::Int(Who(event).ancestors_size() == 0 ? kUnset : (Parent(event).*get)());
}

uint64_t KnownCapabilities(uint64_t mask) {
  return mask & ((uint64_t{1} << WordsOf(kCapabilityWords).count) - 1);
}

#define TEXT(name, get, path, doc) \
  { name, Type::kString, CAIRN_GET(Value::String(get)), path, nullptr, doc }
#define INT(name, get, path, doc) \
  { name, Type::kInt, CAIRN_GET(Value::Unsigned(get)), path, nullptr, doc }
#define BOOL(name, get, path, doc) \
  { name, Type::kBool, CAIRN_GET(Value::Bool(get)), path, nullptr, doc }
#define ID(name, get, path, doc) \
  { name, Type::kInt, CAIRN_GET(Id(event, &Process::get)), path, nullptr, doc }

std::vector<Field> Identity() {
  return {
      INT("process.pid", Who(event).pid(), "pid", "process id"),
      INT("process.start_ns", Who(event).start_ns(), "start_ns", "start, boot-time clock"),
      INT("process.generation", Who(event).generation(), "generation",
          "rises with every exec and credential change"),
      INT("process.ppid", Who(event).ppid(), "ppid", "parent's process id"),
      TEXT("process.exe", Who(event).exe(), "exe", "executable, as the kernel resolved it"),
      TEXT("process.comm", Who(event).comm(), "comm", "thread name, at most 15 bytes"),
      {"process.argv", Type::kStrings, CAIRN_GET(Value::List(&Who(event).argv())), "argv", nullptr,
       "arguments"},
      INT("process.argv_length", Who(event).argv_length(), "argv_length",
          "bytes of the arguments, when they are cut"),
      TEXT("process.cwd", Who(event).cwd(), "cwd", "working directory at exec"),
      {"process.env", Type::kStrings, CAIRN_GET(Value::List(&Who(event).env())), "env", nullptr,
       "captured environment, NAME=value"},
      TEXT("process.script", Who(event).script(), "script",
           "script the interpreter was started for"),
      {"process.exe_hash", Type::kString, CAIRN_GET(HexValue(Who(event).exe_hash(), scratch)),
       "exe_hash", nullptr, "SHA-256 of the executable, hexadecimal"},
      BOOL("process.memfd", Who(event).memfd(), "memfd", "the executable is a memfd"),
      BOOL("process.deleted", Who(event).deleted(), "deleted",
           "the executable has no name any more"),
      BOOL("process.snapshot", Who(event).snapshot(), "snapshot",
           "older than the agent: read from /proc"),
      TEXT("process.tty", Who(event).tty(), "tty", "controlling terminal"),
      TEXT("process.unit", Who(event).unit(), "unit", "systemd unit"),
      TEXT("process.container.id", Who(event).container_id(), "container_id", "container"),
      TEXT("process.container.runtime", Who(event).container_runtime(), "container_runtime",
           "container runtime"),
      {"process.ancestors", Type::kAncestors, CAIRN_GET(Value::List(&Who(event).ancestors())),
       "ancestors", nullptr, "parent first: {pid, start_ns, exe, comm, uid, auid}"},
      {"process.parent.exe", Type::kString, CAIRN_GET(Value::String(Parent(event).exe())), nullptr,
       nullptr, "parent's executable"},
      {"process.parent.comm", Type::kString, CAIRN_GET(Value::String(Parent(event).comm())),
       nullptr, nullptr, "parent's name"},
      {"process.parent.uid", Type::kInt, CAIRN_GET(ParentId(event, &Ancestor::uid)), nullptr,
       nullptr, "parent's user id",
       [](const Event& event) { return Who(event).ancestors_size() != 0; }},
  };
}

std::vector<Field> Credentials() {
  return {
      ID("process.uid", uid, "uid", "real user id"),
      ID("process.euid", euid, "euid", "effective user id"),
      ID("process.suid", suid, "suid", "saved user id"),
      ID("process.fsuid", fsuid, "fsuid", "file system user id"),
      ID("process.gid", gid, "gid", "real group id"),
      ID("process.egid", egid, "egid", "effective group id"),
      ID("process.sgid", sgid, "sgid", "saved group id"),
      ID("process.fsgid", fsgid, "fsgid", "file system group id"),
      ID("process.auid", auid, "auid", "user id at login; `unset` when never logged in"),
      ID("process.session", session, "session", "audit session"),
      TEXT("process.user", Who(event).user(), "user",
           "name of auid, or of uid where that is unset"),
      {"process.capabilities", Type::kStrings,
       CAIRN_GET(Value::Words(kCapabilityWords, KnownCapabilities(Who(event).capabilities()))),
       "capabilities", nullptr, "effective capabilities: cap_sys_admin, …"},
      INT("process.ns.mount", Who(event).namespaces().mount(), "namespaces.mount",
          "mount namespace (inode)"),
      INT("process.ns.pid", Who(event).namespaces().pid(), "namespaces.pid", "pid namespace"),
      INT("process.ns.net", Who(event).namespaces().net(), "namespaces.net", "network namespace"),
      INT("process.ns.user", Who(event).namespaces().user(), "namespaces.user", "user namespace"),
      INT("process.ns.uts", Who(event).namespaces().uts(), "namespaces.uts", "uts namespace"),
      INT("process.ns.ipc", Who(event).namespaces().ipc(), "namespaces.ipc", "ipc namespace"),
      INT("process.ns.cgroup", Who(event).namespaces().cgroup(), "namespaces.cgroup",
          "cgroup namespace"),
  };
}

}  // namespace

std::vector<Field> ProcessRows() {
  std::vector<Field> rows = Identity();
  for (const Field& row : Credentials()) rows.push_back(row);
  return rows;
}

}  // namespace cairn::policy
