// Rows of what was acted on: file, target, net, cred, peer, memory, kernel, audit.
#include <sys/socket.h>

#include "policy/schema_rows.h"

namespace cairn::policy {
namespace {

#define ON(events) Events events
#define TEXT(name, get, path, events, doc) \
  { name, Type::kString, CAIRN_GET(Value::String(event.record->get)), path, events, doc }
#define INT(name, get, path, events, doc) \
  { name, Type::kInt, CAIRN_GET(Value::Unsigned(event.record->get)), path, events, doc }
#define SIGNED(name, get, path, events, doc) \
  { name, Type::kInt, CAIRN_GET(Value::Int(event.record->get)), path, events, doc }
#define BOOL(name, get, path, events, doc) \
  { name, Type::kBool, CAIRN_GET(Value::Bool(event.record->get)), path, events, doc }
#define HEX(name, get, path, events, doc) \
  { name, Type::kString, CAIRN_GET(HexValue(event.record->get, scratch)), path, events, doc }
#define IP(name, get, path, events, doc) \
  { name, Type::kString, CAIRN_GET(AddressValue(event.record->get, scratch)), path, events, doc }
#define CAPS(name, get, path, events, doc)                                              \
  {                                                                                     \
    name, Type::kStrings,                                                               \
        CAIRN_GET(Value::Words(                                                         \
            kCapabilityWords,                                                           \
            event.record->get&((uint64_t{1} << WordsOf(kCapabilityWords).count) - 1))), \
        path, events, doc                                                               \
  }

Value SourceName(PathSource source) {
  return Value::String(source == PATH_OBJECT     ? "object"
                       : source == PATH_ARGUMENT ? "argument"
                                                 : "");
}

// "" for numbers without a name: net.*_number tells them apart.
Value FamilyName(uint32_t family) {
  switch (family) {
    case AF_UNIX:
      return Value::String("unix");
    case AF_INET:
      return Value::String("inet");
    case AF_INET6:
      return Value::String("inet6");
    case AF_NETLINK:
      return Value::String("netlink");
    case AF_PACKET:
      return Value::String("packet");
    case AF_VSOCK:
      return Value::String("vsock");
    case AF_ALG:
      return Value::String("alg");
    case AF_BLUETOOTH:
      return Value::String("bluetooth");
    default:
      return Value::String("");
  }
}

Value ProtocolName(uint32_t protocol) {
  switch (protocol) {
    case 1:
      return Value::String("icmp");
    case 6:
      return Value::String("tcp");
    case 17:
      return Value::String("udp");
    case 58:
      return Value::String("icmp6");
    case 132:
      return Value::String("sctp");
    default:
      return Value::String("");
  }
}

Value SocketTypeName(uint32_t type) {
  static constexpr const char* kNames[] = {"",    "stream",    "dgram", "raw",
                                           "rdm", "seqpacket", "dccp"};
  if (type == SOCK_PACKET) return Value::String("packet");
  return Value::String(type < 7 ? kNames[type] : "");
}

std::vector<Field> FileRows() {
  const EventSet* all = ON(({"file.*", "process.exec", "process.memory_exec", "cred.exec",
                             "kernel.module_load", "kernel.kexec", "kernel.bpf", "kernel.sysctl",
                             "mac.denial", "agent.tamper_attempt", "audit.other"}));
  const EventSet* fd = ON(({"file.*"}));
  return {
      TEXT("file.path", file().path(), "file.path", all, "path, absolute in the task's root"),
      INT("file.path_length", file().path_length(), "file.path_length", all,
          "bytes of the path, when it is cut"),
      {"file.source", Type::kString, CAIRN_GET(SourceName(event.record->file().source())),
       "file.source", all, "object: from the kernel object; argument: untrusted caller memory"},
      BOOL("file.partial", file().partial(), "file.partial", all, "the leading part is missing"),
      INT("file.device", file().device(), "file.device", all, "device, as stat(2)"),
      INT("file.inode", file().inode(), "file.inode", all, "inode"),
      INT("file.mount_ns", file().mount_ns(), "file.mount_ns", all, "mount namespace"),
      {"file.access", Type::kStrings,
       CAIRN_GET(Value::Words(kAccessWords, event.record->file().access() & 0x7F)), "file.access",
       all, "of read, write, append, truncate, create, exclusive, exec"},
      INT("file.mode", file().mode(), "file.mode", all, "st_mode bits, of the object or asked for"),
      INT("file.flags", file().flags(), "file.flags", fd, "open(2) flags as given"),
      SIGNED("file.fd", file().fd(), "file.fd", fd, "file descriptor"),
      INT("file.uid", file().uid(), "file.uid", all, "owner; of file.chown the new one"),
      INT("file.gid", file().gid(), "file.gid", all, "group; of file.chown the new one"),
      TEXT("file.base", file().base(), "file.base", all,
           "the directory an `argument` path starts at"),
      INT("file.bytes_read", file().bytes_read(), "file.bytes_read",
          ON(({"file.close", "file.read"})), "bytes read through this open file"),
      INT("file.bytes_written", file().bytes_written(), "file.bytes_written",
          ON(({"file.close", "file.write"})), "bytes written through this open file"),
      INT("file.size", file().size(), "file.size", fd, "size asked for (truncate)"),
      TEXT("file.name", file().name(), "file.name", fd, "xattr name, file system type"),
  };
}

std::vector<Field> TargetRows() {
  const EventSet* on = ON(({"file.create", "file.rename", "file.link", "file.mount", "file.dup"}));
  return {
      TEXT("target.path", target().path(), "target.path", on,
           "the new name (rename, link); what a symbolic link says (create)"),
      INT("target.path_length", target().path_length(), "target.path_length", on,
          "bytes of the path, when it is cut"),
      {"target.source", Type::kString, CAIRN_GET(SourceName(event.record->target().source())),
       "target.source", on, "object or argument"},
      BOOL("target.partial", target().partial(), "target.partial", on,
           "the leading part is missing"),
      INT("target.device", target().device(), "target.device", on, "device of an overwritten file"),
      INT("target.inode", target().inode(), "target.inode", on, "inode of an overwritten file"),
      SIGNED("target.fd", target().fd(), "target.fd", on, "new descriptor (dup)"),
      TEXT("target.base", target().base(), "target.base", on,
           "the directory an `argument` path starts at"),
  };
}

std::vector<Field> NetRows() {
  const EventSet* all = ON(({"net.*", "mac.denial", "audit.other"}));
  const EventSet* dns = ON(({"net.dns"}));
  return {
      {"net.family", Type::kString, CAIRN_GET(FamilyName(event.record->net().family())),
       "net.family", all, "inet, inet6, unix, netlink, packet, vsock, alg, bluetooth or \"\""},
      INT("net.family_number", net().family(), nullptr, all, "AF_*"),
      {"net.protocol", Type::kString, CAIRN_GET(ProtocolName(event.record->net().protocol())),
       "net.protocol", all, "tcp, udp, icmp, icmp6, sctp or \"\""},
      INT("net.protocol_number", net().protocol(), nullptr, all, "IPPROTO_*"),
      {"net.socket_type", Type::kString,
       CAIRN_GET(SocketTypeName(event.record->net().socket_type())), "net.socket_type", all,
       "stream, dgram, raw, rdm, seqpacket, dccp, packet or \"\""},
      IP("net.src_ip", net().src_ip(), "net.src_ip", all, "local address, as text"),
      INT("net.src_port", net().src_port(), "net.src_port", all, "local port"),
      IP("net.dst_ip", net().dst_ip(), "net.dst_ip", all, "peer's address, as text"),
      INT("net.dst_port", net().dst_port(), "net.dst_port", all, "peer's port"),
      TEXT("net.path", net().path(), "net.path", all, "AF_UNIX path; abstract ones begin with NUL"),
      {"net.source", Type::kString, CAIRN_GET(SourceName(event.record->net().source())),
       "net.source", all, "object or argument"},
      INT("net.netns", net().netns(), "net.netns", all, "network namespace"),
      INT("net.backlog", net().backlog(), "net.backlog", ON(({"net.listen"})), "listen(2) backlog"),
      SIGNED("net.fd", net().fd(), "net.fd", all, "file descriptor"),
      TEXT("net.dns.name", net().dns_name(), "net.dns_name", dns, "name asked for"),
      INT("net.dns.type", net().dns_type(), "net.dns_type", dns, "record type asked for"),
      BOOL("net.dns.response", net().dns_response(), "net.dns_response", dns, "an answer"),
  };
}

std::vector<Field> CredRows() {
  const EventSet* on = ON(({"cred.*", "process.exec"}));
  return {
      INT("cred.uid", cred().uid(), "cred.uid", on, "real user id after the act"),
      INT("cred.euid", cred().euid(), "cred.euid", on, "effective user id after the act"),
      INT("cred.suid", cred().suid(), "cred.suid", on, "saved user id after the act"),
      INT("cred.fsuid", cred().fsuid(), "cred.fsuid", on, "file system user id after the act"),
      INT("cred.gid", cred().gid(), "cred.gid", on, "real group id after the act"),
      INT("cred.egid", cred().egid(), "cred.egid", on, "effective group id after the act"),
      INT("cred.sgid", cred().sgid(), "cred.sgid", on, "saved group id after the act"),
      INT("cred.fsgid", cred().fsgid(), "cred.fsgid", on, "file system group id after the act"),
      CAPS("cred.effective", cred().effective(), "cred.effective", on, "effective capabilities"),
      CAPS("cred.permitted", cred().permitted(), "cred.permitted", on, "permitted capabilities"),
      CAPS("cred.inheritable", cred().inheritable(), "cred.inheritable", on,
           "inheritable capabilities"),
  };
}

std::vector<Field> OtherRows() {
  const EventSet* peer =
      ON(({"process.fork", "process.ptrace", "process.signal", "agent.tamper_attempt"}));
  const EventSet* memory = ON(({"process.memory_exec", "file.mmap"}));
  const EventSet* kernel = ON(({"kernel.*"}));
  return {
      INT("peer.pid", peer().pid(), "peer.pid", peer, "the other process (child, tracee, …)"),
      INT("peer.start_ns", peer().start_ns(), "peer.start_ns", peer, "its start"),
      TEXT("peer.exe", peer().exe(), "peer.exe", peer, "its executable"),
      TEXT("peer.comm", peer().comm(), "peer.comm", peer, "its name"),
      INT("peer.uid", peer().uid(), "peer.uid", peer, "its user id"),
      INT("peer.signal", peer().signal(), "peer.signal",
          ON(({"process.signal", "agent.tamper_attempt"})), "signal(7) number"),
      INT("peer.request", peer().request(), "peer.request", ON(({"process.ptrace"})),
          "ptrace(2) request"),
      INT("memory.address", memory().address(), "memory.address", memory, "start"),
      INT("memory.length", memory().length(), "memory.length", memory, "bytes"),
      INT("memory.protection", memory().protection(), "memory.protection", memory, "PROT_* bits"),
      INT("memory.flags", memory().flags(), "memory.flags", memory, "MAP_* bits"),
      TEXT("kernel.name", kernel().name(), "kernel.name", kernel, "module, sysctl, program"),
      INT("kernel.command", kernel().command(), "kernel.command", kernel, "bpf(2) command"),
      INT("kernel.program_type", kernel().program_type(), "kernel.program_type", kernel,
          "BPF_PROG_TYPE_*"),
      TEXT("kernel.value", kernel().value(), "kernel.value", kernel, "value written (sysctl)"),
      SIGNED("kernel.clock_step_ns", kernel().clock_step_ns(), "kernel.clock_step_ns", kernel,
             "how far the clock was moved"),
  };
}

std::vector<Field> AuditRows() {
  const EventSet* lost = ON(({"audit.lost"}));
  return {
      INT("audit.serial", audit().serial(), "audit.serial", nullptr, "audit serial number"),
      {"audit.types", Type::kStrings, CAIRN_GET(Value::List(&event.record->audit().types())),
       "audit.types", nullptr, "audit record types of the event, in order"},
      TEXT("audit.op", audit().op(), "audit.op", nullptr, "operation"),
      TEXT("audit.account", audit().account(), "audit.account", nullptr, "account acted on"),
      TEXT("audit.hostname", audit().hostname(), "audit.hostname", nullptr, "remote host name"),
      TEXT("audit.address", audit().address(), "audit.address", nullptr, "remote address"),
      TEXT("audit.terminal", audit().terminal(), "audit.terminal", nullptr, "terminal"),
      TEXT("audit.key", audit().key(), "audit.key", nullptr, "key of the audit rule"),
      TEXT("audit.unit", audit().unit(), "audit.unit", nullptr, "service acted on"),
      TEXT("audit.subject", audit().subject(), "audit.subject", nullptr, "subject's MAC context"),
      TEXT("audit.object", audit().object(), "audit.object", nullptr, "object's MAC context"),
      TEXT("audit.permission", audit().permission(), "audit.permission", nullptr,
           "permission asked for"),
      BOOL("audit.late", audit().late(), "audit.late", nullptr,
           "arrived after younger records were written"),
      TEXT("audit.text", audit().text(), "audit.text", nullptr, "the raw audit records"),
      INT("audit.text_length", audit().text_length(), "audit.text_length", nullptr,
          "bytes of the text, when it is cut"),
      INT("audit.linked_sequence", audit().linked_sequence(), "audit.linked_sequence",
          ON(({"audit.link"})), "the record this joins"),
      SIGNED("audit.syscall", audit().syscall(), "audit.syscall", nullptr, "system call number"),
      INT("audit.arch", audit().arch(), "audit.arch", nullptr, "AUDIT_ARCH_*"),
      INT("audit.lost", audit().lost(), "audit.lost", lost, "audit events lost"),
      BOOL("audit.at_least", audit().at_least(), "audit.at_least", lost, "at least that many"),
      INT("audit.serial_from", audit().serial_from(), "audit.serial_from", lost,
          "first missing serial"),
      INT("audit.serial_to", audit().serial_to(), "audit.serial_to", lost, "last missing serial"),
      {"audit.fields", Type::kMap, CAIRN_GET(Value::Map(&event.record->audit().fields())),
       "audit.fields", nullptr, "audit fields without a field of their own"},
  };
}

}  // namespace

std::vector<Field> SubjectRows() {
  std::vector<Field> all;
  for (const auto& rows :
       {FileRows(), TargetRows(), NetRows(), CredRows(), OtherRows(), AuditRows()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace cairn::policy
