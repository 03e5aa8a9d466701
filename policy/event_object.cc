// What an act was done to, by kind of event.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/human.h"
#include "policy/event_line.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

std::string Short(absl::string_view digest) {
  return digest.empty() ? "none" : absl::BytesToHexString(digest.substr(0, 4));
}

// As a shell would take it, so that one look shows where an argument ends.
std::string Quote(const std::string& word) {
  const bool plain =
      !word.empty() && word.find_first_of(" \t\n'\"\\$`*?;&|<>(){}#~") == std::string::npos;
  return plain ? word : absl::StrCat("'", word, "'");
}

std::string CommandLine(const Process& process) {
  std::string text;
  for (const std::string& word : process.argv()) {
    absl::StrAppend(&text, text.empty() ? "" : " ", Quote(word));
  }
  return text.empty() ? process.exe() : text;
}

std::string Path(const File& file) {
  std::string path = file.path();
  if (path.empty() && file.inode() != 0) path = absl::StrCat("inode ", file.inode());
  if (file.partial()) path = absl::StrCat("…", path);
  if (file.path_length() > file.path().size()) path += "…";
  // A path that the caller only claimed.
  if (file.source() == PATH_ARGUMENT) path = absl::StrCat("\"", path, "\"");
  return path;
}

std::string Access(uint32_t bits) {
  static constexpr const char* kNames[] = {"read",   "write",     "append", "truncate",
                                           "create", "exclusive", "exec"};
  std::vector<absl::string_view> names;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if ((bits >> i & 1) != 0) names.emplace_back(kNames[i]);
  }
  return absl::StrJoin(names, ",");
}

std::string FileObject(const Record& record) {
  const File& file = record.file();
  std::string text = Path(file);
  switch (record.type()) {
    case FILE_OPEN:
    case FILE_CREATE:
      if (file.access() != 0) absl::StrAppend(&text, " (", Access(file.access()), ")");
      break;
    case FILE_CHMOD:
      absl::StrAppendFormat(&text, " mode %04o", file.mode() & 07777);
      break;
    case FILE_CHOWN:
      absl::StrAppend(&text, " owner ", static_cast<int32_t>(file.uid()), ":",
                      static_cast<int32_t>(file.gid()));
      break;
    case FILE_CLOSE:
      absl::StrAppend(&text, " (", HumanBytes(file.bytes_read()), " read, ",
                      HumanBytes(file.bytes_written()), " written)");
      break;
    case FILE_TRUNCATE:
      absl::StrAppend(&text, " to ", HumanBytes(file.size()));
      break;
    default:
      break;
  }
  if (record.has_target()) absl::StrAppend(&text, " -> ", Path(record.target()));
  return text;
}

std::string Address(const std::string& ip, uint32_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (ip.size() == 4) ::inet_ntop(AF_INET, ip.data(), text, sizeof(text));
  if (ip.size() == 16) ::inet_ntop(AF_INET6, ip.data(), text, sizeof(text));
  if (text[0] == '\0') return "";
  return ip.size() == 16 ? absl::StrCat("[", text, "]:", port) : absl::StrCat(text, ":", port);
}

std::string NetObject(const Record& record) {
  const Net& net = record.net();
  if (!net.path().empty()) return absl::StrCat("unix ", net.path());
  const absl::string_view protocol = net.protocol() == IPPROTO_TCP   ? "tcp "
                                     : net.protocol() == IPPROTO_UDP ? "udp "
                                                                     : "";
  const std::string source = Address(net.src_ip(), net.src_port());
  const std::string target = Address(net.dst_ip(), net.dst_port());
  std::string text =
      absl::StrCat(protocol, record.type() == NET_BIND || target.empty() ? source : target);
  if (!net.dns_name().empty()) absl::StrAppend(&text, " ", net.dns_name());
  return text.empty() ? absl::StrCat("family ", net.family()) : text;
}

std::string CredObject(const Record& record, const Process* process) {
  const Cred& cred = record.cred();
  if (record.type() == CRED_CAPSET) {
    return absl::StrFormat("capabilities %x", cred.effective());
  }
  const bool group = record.type() == CRED_SETGID;
  const std::string to = group ? absl::StrCat(cred.gid(), "/", cred.egid())
                               : absl::StrCat(cred.uid(), "/", cred.euid());
  if (process == nullptr) return absl::StrCat("to ", to);
  return absl::StrCat(group ? absl::StrCat("gid ", process->gid(), "/", process->egid())
                            : absl::StrCat("uid ", process->uid(), "/", process->euid()),
                      " -> ", to);
}

std::string PeerObject(const Record& record) {
  const Target& peer = record.peer();
  std::string text =
      absl::StrCat(peer.comm().empty() ? "pid " : peer.comm(), peer.comm().empty() ? "" : "[",
                   peer.pid(), peer.comm().empty() ? "" : "]");
  if (peer.signal() != 0) absl::StrAppend(&text, " signal ", peer.signal());
  return text;
}

std::string AuditObject(const Audit& audit) {
  std::string text;
  const auto add = [&text](absl::string_view name, const std::string& value) {
    if (!value.empty()) absl::StrAppend(&text, text.empty() ? "" : " ", name, value);
  };
  add("", audit.op());
  add("acct=", audit.account());
  add("unit=", audit.unit());
  add("from ", audit.hostname().empty() ? audit.address() : audit.hostname());
  add("on ", audit.terminal());
  add("key=", audit.key());
  add("", audit.permission());
  add("", audit.object());
  if (audit.lost() != 0) add("lost ", absl::StrCat(audit.lost()));
  if (text.empty()) text = absl::StrJoin(audit.types(), "+");
  return text;
}

std::string PolicyObject(const PolicyChange& change) {
  std::string text =
      absl::StrCat("generation ", change.old_generation(), " -> ", change.new_generation(),
                   " digest ", Short(change.old_digest()), " -> ", Short(change.new_digest()), " (",
                   change.rung(), ", ", change.trigger(), ")");
  if (change.requester_pid() != 0) {
    absl::StrAppend(&text, " by ", change.requester_exe(), "[", change.requester_pid(), "] uid ",
                    change.requester_uid());
  }
  if (change.errors_size() > 0) absl::StrAppend(&text, " ", change.errors(0));
  return text;
}

std::string LossObject(const Loss& loss) {
  return absl::StrCat(loss.at_least() ? "at least " : "", loss.count(), " ",
                      loss.type() == UNKNOWN_EVENT ? "events" : EventName(loss.type()), " (",
                      loss.source(), ", ", loss.reason(), loss.ring().empty() ? "" : ", ",
                      loss.ring(), ")");
}

std::string AgentObject(const Record& record) {
  if (record.has_policy()) return PolicyObject(record.policy());
  if (record.has_loss()) return LossObject(record.loss());
  if (record.has_agent()) {
    const AgentRun& run = record.agent();
    if (record.type() == AGENT_STOP) return run.reason();
    return absl::StrCat("cairnd ", run.version(), ", ", run.backend(), ", audit ", run.audit_mode(),
                        ", kernel ", run.kernel());
  }
  if (record.has_epoch_open()) return absl::StrCat("epoch ", record.epoch_open().epoch());
  if (record.has_epoch_close()) {
    const EpochClose& close = record.epoch_close();
    return absl::StrCat("epoch ", close.epoch(), ", ", close.records(), " records, ",
                        close.reason());
  }
  if (record.has_receipt()) {
    return absl::StrCat(record.receipt().collector(), " holds ", record.receipt().size(),
                        " blocks");
  }
  if (record.has_recovery()) {
    const Recovery& recovery = record.recovery();
    return absl::StrCat("epoch ", recovery.epoch(), " ", recovery.how(), ", ",
                        recovery.quarantined_bytes(), " bytes set aside; ", recovery.detail());
  }
  if (record.has_heartbeat()) {
    return absl::StrCat(HumanBytes(record.heartbeat().resident_bytes()), " resident, policy ",
                        record.heartbeat().policy_rung());
  }
  if (record.has_notice()) {
    return absl::StrCat(record.notice().what(), ": ", record.notice().detail());
  }
  if (record.has_limit()) {
    return absl::StrCat(record.limit().rule(), " ", record.limit().key(), ", ",
                        record.limit().suppressed(), " suppressed");
  }
  return "";
}

std::string ProcessObject(const Record& record, const Process* process) {
  switch (record.type()) {
    case PROCESS_EXEC:
      // One that failed left the process what it was.
      if (process == nullptr || record.ret() < 0) return Path(record.file());
      return CommandLine(*process);
    case PROCESS_FORK:
    case PROCESS_PTRACE:
    case PROCESS_SIGNAL:
      return PeerObject(record);
    case PROCESS_EXIT:
      return process != nullptr ? process->exe() : "";
    default:
      return record.has_memory()
                 ? absl::StrFormat("%x+%d", record.memory().address(), record.memory().length())
                 : Path(record.file());
  }
}

}  // namespace

std::string DescribeObject(const Record& record, const Process* process) {
  const absl::string_view group = EventGroup(record.type());
  if (group == "agent") return AgentObject(record);
  if (group == "process") return ProcessObject(record, process);
  if (record.has_cred()) return CredObject(record, process);
  if (record.has_net()) return NetObject(record);
  if (record.has_kernel()) {
    const Kernel& kernel = record.kernel();
    if (record.type() == KERNEL_BPF) {
      return absl::StrCat("command ", kernel.command(), kernel.name().empty() ? "" : " ",
                          kernel.name());
    }
    return absl::StrCat(kernel.name(), kernel.value().empty() ? "" : " = ", kernel.value());
  }
  if (record.has_file()) return FileObject(record);
  if (record.has_audit()) return AuditObject(record.audit());
  if (record.flags() != 0) return absl::StrFormat("flags %x", record.flags());
  return "";
}

}  // namespace cairn::policy
