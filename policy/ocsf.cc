#include "policy/ocsf.h"

#include <arpa/inet.h>

#include <array>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/version.h"
#include "policy/event.h"
#include "policy/event_json.h"
#include "policy/event_line.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

// What a record is in OCSF: class, activity, and what else that class must have.
struct Kind {
  int class_uid = 0;  // 0: base event
  int activity = 0;
};

constexpr int kOther = 99;
constexpr int kFile = 1001, kExtension = 1002, kKernel = 1003, kMemory = 1004, kProcess = 1007,
              kAccount = 3001, kAuthentication = 3002, kNetwork = 4001, kDns = 4003,
              kLifecycle = 6002;

struct KindRow {
  EventType type;
  Kind kind;
};

// What is not here is a base event.
constexpr KindRow kKinds[] = {
    {PROCESS_EXEC, {kProcess, 1}},
    {PROCESS_FORK, {kProcess, 1}},
    {CRED_EXEC, {kProcess, 1}},
    {PROCESS_EXIT, {kProcess, 2}},
    {PROCESS_SIGNAL, {kProcess, 2}},
    {PROCESS_PTRACE, {kProcess, 3}},
    {CRED_SETUID, {kProcess, 5}},
    {CRED_SETGID, {kProcess, kOther}},
    {CRED_CAPSET, {kProcess, kOther}},
    {NS_UNSHARE, {kProcess, kOther}},
    {NS_SETNS, {kProcess, kOther}},
    {PROCESS_MEMORY_EXEC, {kMemory, 2}},
    {FILE_OPEN, {kFile, 14}},
    {FILE_CREATE, {kFile, 1}},
    {FILE_LINK, {kFile, 1}},
    {FILE_READ, {kFile, 2}},
    {FILE_WRITE, {kFile, 3}},
    {FILE_TRUNCATE, {kFile, 3}},
    {FILE_DELETE, {kFile, 4}},
    {FILE_RENAME, {kFile, 5}},
    {FILE_XATTR, {kFile, 6}},
    {FILE_UTIMES, {kFile, 6}},
    {FILE_CHMOD, {kFile, 7}},
    {FILE_CHOWN, {kFile, 7}},
    {FILE_MOUNT, {kFile, 12}},
    {FILE_UMOUNT, {kFile, 13}},
    {FILE_CLOSE, {kFile, kOther}},
    {FILE_MMAP, {kFile, kOther}},
    {FILE_DUP, {kFile, kOther}},
    {FILE_PIPE, {kFile, kOther}},
    {NET_CONNECT, {kNetwork, 1}},
    {NET_ACCEPT, {kNetwork, 1}},
    {NET_BIND, {kNetwork, 7}},
    {NET_LISTEN, {kNetwork, 7}},
    {NET_SOCKET, {kNetwork, kOther}},
    {NET_RAW_SOCKET, {kNetwork, kOther}},
    {NET_DNS, {kDns, 1}},
    {KERNEL_MODULE_LOAD, {kExtension, 1}},
    {KERNEL_MODULE_UNLOAD, {kExtension, 2}},
    {KERNEL_BPF, {kKernel, 4}},
    {KERNEL_KEXEC, {kKernel, 4}},
    {KERNEL_CLOCK_SET, {kKernel, 4}},
    {KERNEL_SYSCTL, {kKernel, 4}},
    {AUTH_LOGIN, {kAuthentication, 1}},
    {AUTH_LOGOUT, {kAuthentication, 2}},
    {AUTH_FAILURE, {kAuthentication, kOther}},
    {AUTH_CREDENTIAL, {kAuthentication, kOther}},
    {ACCOUNT_CHANGE, {kAccount, kOther}},
    {AGENT_START, {kLifecycle, 3}},
    {SERVICE_START, {kLifecycle, 3}},
    {AGENT_STOP, {kLifecycle, 4}},
    {SERVICE_STOP, {kLifecycle, 4}},
};

Kind KindOf(const Record& record) {
  static const auto& kinds = *[] {
    auto* all = new std::array<Kind, 256>;
    all->fill({0, kOther});
    for (const KindRow& row : kKinds) (*all)[static_cast<uint8_t>(row.type)] = row.kind;
    return all;
  }();
  Kind kind = kinds[static_cast<uint8_t>(record.type())];
  if (record.type() == NET_DNS && record.net().dns_response()) kind.activity = 2;
  return kind;
}

// OCSF's severity_id: informational where no rule said more.
int SeverityOf(const Record& record) {
  static constexpr int kIds[] = {1, 2, 3, 4, 5};
  const int severity = record.severity();
  return severity >= 0 && severity <= 4 ? kIds[severity] : 0;
}

int StatusOf(const Record& record) {
  if (record.has_ret()) return record.ret() < 0 ? 2 : 1;
  if (record.outcome() == OUTCOME_SUCCESS) return 1;
  return record.outcome() == OUTCOME_FAILURE ? 2 : 0;
}

absl::string_view BaseName(absl::string_view path) {
  return path.substr(path.rfind('/') == absl::string_view::npos ? 0 : path.rfind('/') + 1);
}

class Writer {
 public:
  Writer(const ledger::LoggedRecord& logged, absl::string_view leaf, std::string* out)
      : logged_(logged), record_(*logged.record), kind_(KindOf(record_)), leaf_(leaf), out_(*out) {}

  void Write() {
    const int category = kind_.class_uid / 1000;
    Put("{\"class_uid\":", kind_.class_uid, ",\"category_uid\":", category,
        ",\"activity_id\":", kind_.activity,
        ",\"type_uid\":", kind_.class_uid * 100 + kind_.activity,
        ",\"severity_id\":", SeverityOf(record_), ",\"time\":", logged_.wall_ns / 1000000);
    if (kind_.activity == kOther) Text(",\"activity_name\":", EventName(record_.type()));
    const int status = StatusOf(record_);
    if (status != 0) Put(",\"status_id\":", status);
    if (status == 2 && record_.ret() < 0) Text(",\"status_code\":", ErrnoName(-record_.ret()));
    Metadata();
    Device();
    Actor();
    Subject();
    Unmapped();
    out_.push_back('}');
  }

 private:
  template <typename... Args>
  void Put(const Args&... args) {
    absl::StrAppend(&out_, args...);
  }
  void Text(absl::string_view key, absl::string_view text) {
    out_.append(key.data(), key.size());
    AppendJsonString(text, &out_);
  }

  void Metadata() {
    Put(",\"metadata\":{\"version\":\"1.8.0\",\"product\":{\"name\":\"cairn\",\"vendor_name\":"
        "\"cairn\","
        "\"version\":\"",
        kVersion, "\"},\"profiles\":[\"host\"],\"sequence\":", logged_.sequence,
        ",\"event_code\":\"", EventName(record_.type()), "\"");
    Text(",\"log_name\":", logged_.origin);
    Text(",\"uid\":", RecordId(logged_));
    if (!logged_.rules.empty()) {
      out_.append(",\"labels\":");
      List(logged_.rules);
    }
    out_.push_back('}');
  }

  template <typename Texts>
  void List(const Texts& texts) {
    char before = '[';
    for (const auto& text : texts) {
      out_.push_back(before);
      AppendJsonString(text, &out_);
      before = ',';
    }
    out_.append(before == '[' ? "[]" : "]");
  }

  // The origin is <deployment>/h/<host uuid>/<incarnation>.
  void Device() {
    absl::string_view host = logged_.origin;
    host = host.substr(0, host.rfind('/'));
    Text(",\"device\":{\"type_id\":1,\"uid\":", host.substr(host.rfind('/') + 1));
    if (record_.has_agent()) Text(",\"hostname\":", record_.agent().hostname());
    out_.append(",\"os\":{\"name\":\"Linux\",\"type_id\":200}}");
  }

  void Actor() {
    out_.append(",\"actor\":{");
    if (logged_.process != nullptr) {
      out_.append("\"process\":");
      ProcessObject(*logged_.process);
      out_.append(",\"user\":");
      User(*logged_.process);
    } else {
      out_.append("\"app_name\":\"cairnd\"");
    }
    out_.push_back('}');
  }

  void User(const Process& process) {
    Put("{\"uid\":\"", process.uid(), "\"");
    if (!process.user().empty()) Text(",\"name\":", process.user());
    if (process.uid() == 0) out_.append(",\"type_id\":2");
    out_.push_back('}');
  }

  void ProcessObject(const Process& process) {
    Put("{\"pid\":", process.pid(), ",\"uid\":\"", process.pid(), "-", process.start_ns(), "\"");
    Text(",\"name\":", process.comm().empty() ? BaseName(process.exe()) : process.comm());
    if (!process.exe().empty()) {
      Text(",\"file\":{\"type_id\":1,\"name\":", BaseName(process.exe()));
      Text(",\"path\":", process.exe());
      out_.push_back('}');
    }
    if (process.argv_size() > 0) {
      std::string line;
      for (const std::string& word : process.argv()) {
        absl::StrAppend(&line, line.empty() ? "" : " ", word);
      }
      Text(",\"cmd_line\":", line);
    }
    if (!process.cwd().empty()) Text(",\"working_directory\":", process.cwd());
    if (process.ppid() != 0) Put(",\"parent_process\":{\"pid\":", process.ppid(), "}");
    if (record_.tid() != 0) Put(",\"tid\":", record_.tid());
    if (process.session() != 0) Put(",\"session\":{\"uid\":\"", process.session(), "\"}");
    out_.push_back('}');
  }

  void FileObject(absl::string_view key, const File& file) {
    out_.append(key.data(), key.size());
    const absl::string_view path = file.path();
    const absl::string_view name = BaseName(path);
    Text("{\"type_id\":0,\"name\":", name.empty() ? (path.empty() ? "unknown" : path) : name);
    if (!path.empty()) Text(",\"path\":", path);
    if (file.inode() != 0) Put(",\"uid\":\"", file.device(), ":", file.inode(), "\"");
    out_.push_back('}');
  }

  void Endpoint(absl::string_view key, const std::string& ip, uint32_t port,
                absl::string_view otherwise) {
    char text[INET6_ADDRSTRLEN] = "";
    if (ip.size() == 4) ::inet_ntop(AF_INET, ip.data(), text, sizeof(text));
    if (ip.size() == 16) ::inet_ntop(AF_INET6, ip.data(), text, sizeof(text));
    if (text[0] == '\0' && otherwise.empty()) return;
    out_.append(key.data(), key.size());
    if (text[0] != '\0') {
      Put("{\"ip\":\"", text, "\",\"port\":", port, "}");
    } else {
      Text("{\"name\":", otherwise);
      out_.push_back('}');
    }
  }

  void NetworkObjects() {
    const Net& net = record_.net();
    Endpoint(",\"src_endpoint\":", net.src_ip(), net.src_port(), "");
    // One of the two must be there.
    const bool nothing = net.src_ip().empty() && net.path().empty();
    Endpoint(",\"dst_endpoint\":", net.dst_ip(), net.dst_port(),
             !net.path().empty() ? net.path()
             : nothing           ? "unknown"
                                 : "");
    if (kind_.class_uid == kDns) {
      Text(",\"query\":{\"hostname\":", net.dns_name());
      out_.push_back('}');
    }
    const int direction = record_.type() == NET_ACCEPT ? 1 : record_.type() == NET_CONNECT ? 2 : 0;
    Put(",\"connection_info\":{\"direction_id\":", direction, ",\"protocol_num\":", net.protocol(),
        "}");
  }

  void SubjectProcess() {
    if (record_.has_peer()) {
      const Target& peer = record_.peer();
      Put(",\"process\":{\"pid\":", peer.pid());
      if (!peer.comm().empty()) Text(",\"name\":", peer.comm());
      out_.push_back('}');
    } else if (logged_.process != nullptr) {
      out_.append(",\"process\":");
      ProcessObject(*logged_.process);
    } else {
      out_.append(",\"process\":{\"pid\":0}");
    }
  }

  void UserOfAudit() {
    const std::string& account = record_.audit().account();
    Text(",\"user\":{\"name\":", account.empty() ? "unknown" : account);
    out_.push_back('}');
    if (kind_.class_uid == kAuthentication) {
      const std::string& terminal = record_.audit().terminal();
      Text(",\"service\":{\"name\":", terminal.empty() ? "unknown" : terminal);
      out_.push_back('}');
    }
  }

  // What the class must have beside the actor.
  void Subject() {
    switch (kind_.class_uid) {
      case kProcess:
      case kMemory:
        return SubjectProcess();
      case kFile:
        FileObject(",\"file\":", record_.file());
        if (record_.has_target()) FileObject(",\"file_result\":", record_.target());
        return;
      case kExtension:
        Text(",\"driver\":{\"file\":{\"type_id\":1,\"name\":", record_.kernel().name());
        return Put("}}");
      case kKernel:
        Text(",\"kernel\":{\"type_id\":0,\"name\":",
             record_.kernel().name().empty() ? EventName(record_.type()) : record_.kernel().name());
        return Put("}");
      case kNetwork:
      case kDns:
        return NetworkObjects();
      case kAuthentication:
      case kAccount:
        return UserOfAudit();
      case kLifecycle:
        Text(",\"app\":{\"name\":", record_.has_agent() ? "cairnd"
                                    : record_.audit().unit().empty()
                                        ? "unknown"
                                        : absl::string_view(record_.audit().unit()));
        return Put("}");
      default:
        return;
    }
  }

  void Unmapped() {
    Text(",\"unmapped\":{\"object\":", ObjectText());
    Put(",\"block\":", logged_.block, ",\"epoch\":", logged_.epoch,
        ",\"policy_generation\":", logged_.policy_generation);
    Text(",\"boot_id\":", logged_.boot_id);
    Text(",\"attestation\":{\"chain_uid\":", logged_.origin);
    Text(",\"authority_uid\":", logged_.origin);
    if (!leaf_.empty()) {
      Put(",\"fingerprint\":{\"algorithm_id\":3,\"algorithm\":\"SHA-256\",\"value\":\"",
          absl::BytesToHexString(leaf_), "\"}");
    }
    if (logged_.sequence > 0) {
      Text(",\"prev_event\":{\"uid\":", absl::StrCat(logged_.origin, "#", logged_.sequence - 1));
      out_.push_back('}');
    }
    out_.append("}}");
  }

  std::string ObjectText() const { return DescribeObject(record_, logged_.process); }

  const ledger::LoggedRecord& logged_;
  const Record& record_;
  const Kind kind_;
  const absl::string_view leaf_;
  std::string& out_;
};

}  // namespace

std::string RecordId(const ledger::LoggedRecord& logged) {
  return absl::StrCat(logged.origin, "#", logged.sequence);
}

void AppendOcsf(const ledger::LoggedRecord& logged, absl::string_view leaf, std::string* out) {
  Writer(logged, leaf, out).Write();
}

}  // namespace cairn::policy
