#include "agent/capture/event_view.h"

namespace cairn::capture {
namespace {

constexpr size_t kBodyBytes[LAYOUTS] = {
    0,
    sizeof(event_task),
    sizeof(event_exit),
    sizeof(event_file),
    sizeof(event_net),
    sizeof(event_cred),
    sizeof(event_args),
};

}  // namespace

bool ParseEvent(absl::string_view record, EventView* view) {
  if (record.size() < sizeof(event_header)) return false;
  std::memcpy(&view->header, record.data(), sizeof(event_header));
  if (view->header.layout >= LAYOUTS) return false;
  record.remove_prefix(sizeof(event_header));
  const size_t body = kBodyBytes[view->header.layout];
  if (record.size() < body) return false;
  view->body = record.substr(0, body);
  record.remove_prefix(body);
  view->strings.fill(EventString());
  while (!record.empty()) {
    event_string head;
    if (record.size() < sizeof(head)) return false;
    std::memcpy(&head, record.data(), sizeof(head));
    record.remove_prefix(sizeof(head));
    if (head.len > record.size() || head.kind == 0 || head.kind >= STRING_KINDS) return false;
    view->strings[head.kind] = {record.substr(0, head.len),
                                head.whole < head.len ? head.len : head.whole, head.flags, true};
    record.remove_prefix(head.len);
  }
  return true;
}

void JoinComponents(const EventString& components, std::string* path) {
  path->clear();
  absl::string_view left = components.bytes;
  const bool rooted = !(components.flags & (STRING_PARTIAL | STRING_DETACHED));
  if (rooted && left.empty()) path->push_back('/');
  while (!left.empty()) {
    left.remove_suffix(1);  // the '/' after a component
    const size_t slash = left.rfind('/');
    const size_t begin = slash == absl::string_view::npos ? 0 : slash + 1;
    if (rooted || !path->empty()) path->push_back('/');
    path->append(left.data() + begin, left.size() - begin);
    left = left.substr(0, begin);
  }
}

}  // namespace cairn::capture
