// Does a record fit its schema? DESIGN §4, step 4.
#include "policy/schema_rows.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

constexpr size_t kMaxPath = 4096;
constexpr size_t kMaxAuditText = 16 << 10;

bool IsAddress(const std::string& bytes) {
  return bytes.empty() || bytes.size() == 4 || bytes.size() == 16;
}

const char* SizeFault(const Record& record) {
  if (record.file().path().size() > kMaxPath || record.target().path().size() > kMaxPath ||
      record.net().path().size() > kMaxPath || record.peer().exe().size() > kMaxPath) {
    return "a path longer than 4096 bytes";
  }
  if (!IsAddress(record.net().src_ip()) || !IsAddress(record.net().dst_ip())) {
    return "an IP address that is neither 4 nor 16 bytes";
  }
  if (record.net().src_port() > 65535 || record.net().dst_port() > 65535) {
    return "a port above 65535";
  }
  if (record.audit().text().size() > kMaxAuditText) return "audit text longer than 16 KiB";
  return nullptr;
}

}  // namespace

const char* SchemaFault(const Record& record) {
  static const EventSet* file = FindField("file.path")->events;
  static const EventSet* target = FindField("target.path")->events;
  static const EventSet* net = FindField("net.dst_ip")->events;
  static const EventSet* cred = FindField("cred.uid")->events;
  static const EventSet* peer = FindField("peer.pid")->events;
  static const EventSet* memory = FindField("memory.address")->events;
  static const EventSet* kernel = FindField("kernel.name")->events;
  if (record.type() <= 0 || record.type() > 255 || EventName(record.type()) == "unknown") {
    return "an event type without a name";
  }
  const auto type = static_cast<size_t>(record.type());
  // The decoder keeps a file for what modules and their load share: an empty one says nothing.
  if (record.has_file() && !file->test(type) && record.file().ByteSizeLong() != 0) {
    return "an event that has no file";
  }
  if (record.has_target() && !target->test(type)) return "an event that has no target";
  if (record.has_net() && !net->test(type)) return "an event that has no address";
  if (record.has_cred() && !cred->test(type)) return "an event that has no credentials";
  if (record.has_peer() && !peer->test(type)) return "an event that has no other process";
  if (record.has_memory() && !memory->test(type)) return "an event that has no memory range";
  if (record.has_kernel() && !kernel->test(type)) return "an event that has no kernel object";
  return SizeFault(record);
}

}  // namespace cairn::policy
