#include "agent/capture/decode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "absl/strings/match.h"
#include "agent/capture/dns.h"
#include "agent/capture/strings.h"

namespace cairn::capture {
namespace {

enum Access { kRead = 1, kWrite = 2, kAppend = 4, kTruncate = 8, kCreate = 16, kExclusive = 32 };

// The kernel's 12:20 device number as stat(2) gives it.
uint64_t Device(uint32_t kernel) { return makedev(kernel >> 20, kernel & 0xfffff); }

// Sub-messages are cleared, not freed: Record::Clear() would give their memory back.
void Reset(Record* record) {
  record->clear_time_delta_ns();
  record->clear_process_ref();
  record->clear_rule_refs();
  record->clear_ret();
  record->clear_outcome();
  record->clear_via();
  record->clear_severity();
  record->clear_redactions();
  record->clear_wall_adjust_ns();
  record->clear_flags();
  record->clear_exit_code();
  record->clear_count();
  if (record->has_file()) record->mutable_file()->Clear();
  if (record->has_target()) record->mutable_target()->Clear();
  if (record->has_net()) record->mutable_net()->Clear();
  if (record->has_cred()) record->mutable_cred()->Clear();
  if (record->has_peer()) record->mutable_peer()->Clear();
  if (record->has_memory()) record->mutable_memory()->Clear();
  if (record->has_kernel()) record->mutable_kernel()->Clear();
  if (record->has_notice()) record->mutable_notice()->Clear();
}

// What has no name on any path: as /proc/PID/fd shows it.
void NameAnonymous(const event_file& body, std::string* path) {
  char text[48];
  const char* kind = S_ISFIFO(body.mode) ? "pipe:[" : S_ISSOCK(body.mode) ? "socket:[" : nullptr;
  if (kind != nullptr && path->empty()) {
    const int size =
        snprintf(text, sizeof(text), "%s%llu]", kind, static_cast<unsigned long long>(body.inode));
    path->assign(text, static_cast<size_t>(size));
  } else if (absl::StartsWith(*path, "[")) {
    path->insert(0, "anon_inode:");
  }
}

void SetObjectPath(const EventString& string, const event_file& body, File* file) {
  JoinComponents(string, file->mutable_path());
  file->set_source(PATH_OBJECT);
  if (string.flags & STRING_DETACHED) NameAnonymous(body, file->mutable_path());
  file->set_partial((string.flags & STRING_PARTIAL) != 0);
}

void SetArgumentPath(const EventString& string, const EventString& base, File* file) {
  SetBytes(string.bytes, file->mutable_path());
  file->set_source(PATH_ARGUMENT);
  if (string.whole > string.bytes.size()) file->set_path_length(string.whole);
  file->set_partial((string.flags & STRING_FAULT) != 0);
  if (base.present) JoinComponents(base, file->mutable_base());
}

uint32_t AccessOf(const EventView& view, const event_file& body) {
  uint32_t access = 0;
  if (body.inode != 0) {
    access = body.fmode & (kRead | kWrite);
  } else {
    const uint32_t mode = body.flags & O_ACCMODE;
    access = mode == O_RDONLY ? kRead : mode == O_WRONLY ? kWrite : kRead | kWrite;
  }
  if (view.header.type != FILE_OPEN && view.header.type != FILE_CREATE) return access;
  if (body.flags & O_APPEND) access |= kAppend;
  if (body.flags & O_TRUNC) access |= kTruncate;
  if (body.flags & O_CREAT) access |= kCreate;
  if (body.flags & O_EXCL) access |= kExclusive;
  return access;
}

bool OpensFile(const EventView& view) {
  return view.header.call >= CALL_OPEN && view.header.call <= CALL_OPEN_HANDLE;
}

void SetFile(const EventView& view, const event_file& body, File* file) {
  if (view.strings[STRING_PATH].present) {
    SetObjectPath(view.strings[STRING_PATH], body, file);
  } else if (view.strings[STRING_ARGUMENT].present) {
    SetArgumentPath(view.strings[STRING_ARGUMENT], view.strings[STRING_BASE], file);
  }
  if (body.inode != 0) {
    file->set_inode(body.inode);
    file->set_device(Device(body.device));
  }
  file->set_mode(view.header.type == FILE_CHMOD ? body.asked : body.mode ? body.mode : body.asked);
  if (!OpensFile(view) && body.inode == 0 && body.asked != 0) {
    file->set_mode((body.mode & S_IFMT) | (body.asked & ~S_IFMT));
  }
  file->set_flags(body.flags);
  if (body.fd >= 0) file->set_fd(body.fd);
}

void SetSocketPath(const EventString& string, Net* net) {
  absl::string_view path = string.bytes;
  // A path ends at its NUL; an abstract name begins with one and may hold others.
  if (!path.empty() && path[0] != '\0') path = path.substr(0, path.find('\0'));
  SetBytes(path, net->mutable_path());
}

size_t AddressBytes(uint16_t family) {
  constexpr uint16_t kInet = 2, kInet6 = 10;
  return family == kInet ? 4 : family == kInet6 ? 16 : 0;
}

}  // namespace

Decoder::Decoder() {
  records_[kFile].mutable_file();
  records_[kTwoFiles].mutable_file();
  records_[kTwoFiles].mutable_target();
  records_[kNet].mutable_net();
  records_[kCred].mutable_cred();
  records_[kKernel].mutable_kernel();
  records_[kModule].mutable_kernel();
  records_[kModule].mutable_file();
  records_[kPeer].mutable_peer();
  records_[kMemory].mutable_memory();
  records_[kNotice].mutable_notice();
  for (Record& record : records_) record.set_source(SOURCE_EBPF);
}

Decoder::Shape Decoder::ShapeOf(const EventView& view) const {
  switch (view.header.layout) {
    case LAYOUT_TASK:
      return view.header.type == PROCESS_FORK ? kPeer : kFile;
    case LAYOUT_FILE:
      if (view.header.type == KERNEL_MODULE_LOAD || view.header.type == KERNEL_MODULE_UNLOAD ||
          view.header.type == KERNEL_SYSCTL) {
        return kModule;
      }
      return view.strings[STRING_TARGET_ARGUMENT].present || view.strings[STRING_TARGET].present
                 ? kTwoFiles
                 : kFile;
    case LAYOUT_NET:
      return kNet;
    case LAYOUT_CRED:
      return kCred;
    case LAYOUT_CALL:
      switch (view.header.type) {
        case PROCESS_PTRACE:
        case PROCESS_SIGNAL:
          return kPeer;
        case PROCESS_MEMORY_EXEC:
          return kMemory;
        case AGENT_TAMPER_ATTEMPT:
          return kNotice;
        case NS_UNSHARE:
        case NS_SETNS:
          return kPlain;
        default:
          return kKernel;
      }
    default:
      return kPlain;
  }
}

Record* Decoder::Decode(const EventView& view) {
  if (!EventType_IsValid(view.header.type) || view.header.type == UNKNOWN_EVENT) return nullptr;
  Record* record = &records_[ShapeOf(view)];
  Reset(record);
  record->set_type(static_cast<EventType>(view.header.type));
  record->set_source(SOURCE_EBPF);
  record->set_cpu(view.header.cpu);
  record->set_tid(view.header.tid == view.header.pid ? 0 : view.header.tid);
  record->set_compat((view.header.flags & EVENT_COMPAT) != 0);
  if (view.header.flags & EVENT_URING) record->set_via(VIA_IO_URING);
  switch (view.header.layout) {
    case LAYOUT_TASK:
      DecodeTask(view, record);
      break;
    case LAYOUT_EXIT:
      record->set_exit_code(static_cast<int32_t>(view.Body<event_exit>().code));
      break;
    case LAYOUT_FILE:
      DecodeFile(view, record);
      break;
    case LAYOUT_NET:
      DecodeNet(view, record);
      break;
    case LAYOUT_CRED:
      DecodeCred(view, record);
      break;
    case LAYOUT_CALL:
      DecodeCall(view, record);
      break;
    default:
      return nullptr;
  }
  if (view.header.flags & EVENT_UNKNOWN) record->clear_ret();
  return record;
}

void Decoder::DecodeTask(const EventView& view, Record* record) {
  const auto body = view.Body<event_task>();
  if (view.header.type == PROCESS_FORK) {
    record->set_ret(body.pid);
    Target* child = record->mutable_peer();
    child->set_pid(body.pid);
    child->set_start_ns(body.start_ns);
    child->set_uid(body.creds.uid);
    SetBytes({body.comm, strnlen(body.comm, sizeof(body.comm))}, child->mutable_comm());
    return;
  }
  record->set_ret(0);
  event_file object = {};
  object.inode = body.inode;
  object.mode = body.mode;
  File* file = record->mutable_file();
  SetObjectPath(view.strings[STRING_EXE], object, file);
  file->set_inode(body.inode);
  file->set_device(Device(body.device));
  file->set_mode(body.mode);
}

void Decoder::DecodeFile(const EventView& view, Record* record) {
  const auto body = view.Body<event_file>();
  record->set_ret(body.ret);
  File* file = record->mutable_file();
  SetFile(view, body, file);
  switch (record->type()) {
    case FILE_OPEN:
    case FILE_CREATE:
      if (OpensFile(view)) file->set_access(AccessOf(view, body));
      break;
    case FILE_READ:
    case FILE_WRITE:
      file->set_access(body.fmode & (kRead | kWrite));
      break;
    case FILE_CHOWN:
      file->set_uid(body.uid);
      file->set_gid(body.gid);
      break;
    case FILE_TRUNCATE:
      file->set_size(body.size);
      break;
    case FILE_XATTR:
    case FILE_MOUNT:
      SetBytes(view.strings[STRING_NAME].bytes, file->mutable_name());
      if (record->type() == FILE_MOUNT) record->set_flags(body.flags);
      break;
    case FILE_UMOUNT:
      record->set_flags(body.flags);
      break;
    case KERNEL_SYSCTL:
      DecodeSysctl(view, record);
      break;
    case KERNEL_MODULE_LOAD:
    case KERNEL_MODULE_UNLOAD:
      SetBytes(view.strings[STRING_NAME].bytes, record->mutable_kernel()->mutable_name());
      break;
    default:
      break;
  }
  const EventString& target = view.strings[STRING_TARGET_ARGUMENT];
  if (view.strings[STRING_TARGET].present) {
    SetObjectPath(view.strings[STRING_TARGET], body, record->mutable_target());
  } else if (target.present) {
    SetArgumentPath(target, view.strings[STRING_TARGET_BASE], record->mutable_target());
  }
}

void Decoder::DecodeNet(const EventView& view, Record* record) {
  const auto body = view.Body<event_net>();
  record->set_ret(body.ret);
  Net* net = record->mutable_net();
  net->set_family(body.family);
  net->set_protocol(body.protocol);
  net->set_socket_type(body.type);
  net->set_source(body.source <= PATH_ARGUMENT ? static_cast<PathSource>(body.source) : PATH_NONE);
  net->set_netns(body.netns);
  net->set_backlog(body.backlog);
  net->set_fd(body.fd);
  const size_t bytes = AddressBytes(body.family);
  if (bytes != 0) {
    const bool has_source = body.source == PATH_OBJECT || view.header.type == NET_BIND;
    const bool has_target = view.header.type != NET_BIND && view.header.type != NET_LISTEN;
    if (has_source) {
      net->mutable_src_ip()->assign(reinterpret_cast<const char*>(body.src), bytes);
      net->set_src_port(body.src_port);
    }
    if (has_target) {
      net->mutable_dst_ip()->assign(reinterpret_cast<const char*>(body.dst), bytes);
      net->set_dst_port(body.dst_port);
    }
  }
  if (record->type() == NET_DNS) {
    uint32_t type = 0;
    bool response = false;
    ParseDnsQuestion(view.strings[STRING_VALUE].bytes, net->mutable_dns_name(), &type, &response);
    net->set_dns_type(type);
    net->set_dns_response(response);
    net->clear_fd();
  }
  if (view.strings[STRING_SOCKET].present) SetSocketPath(view.strings[STRING_SOCKET], net);
}

void Decoder::DecodeCred(const EventView& view, Record* record) {
  const auto body = view.Body<event_cred>();
  record->set_ret(body.ret);
  Cred* cred = record->mutable_cred();
  cred->set_uid(body.creds.uid);
  cred->set_euid(body.creds.euid);
  cred->set_suid(body.creds.suid);
  cred->set_fsuid(body.creds.fsuid);
  cred->set_gid(body.creds.gid);
  cred->set_egid(body.creds.egid);
  cred->set_sgid(body.creds.sgid);
  cred->set_fsgid(body.creds.fsgid);
  cred->set_effective(body.creds.effective);
  cred->set_permitted(body.creds.permitted);
  cred->set_inheritable(body.creds.inheritable);
}

}  // namespace cairn::capture
