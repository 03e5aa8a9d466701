// What becomes of an event. DESIGN §7: order never matters.
#include <time.h>

#include <algorithm>
#include <memory>

#include "base/clock.h"
#include "policy/compiled.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

constexpr size_t kMaxKey = 256;  // bytes of a limit's key; longer ones are cut

Scratch* ThreadScratch() {
  thread_local const std::unique_ptr<Scratch> scratch = std::make_unique<Scratch>();
  return scratch.get();
}

bool UrgentType(EventType type) {
  const absl::string_view group = EventGroup(type);
  if (group == "agent") return type != AGENT_HEARTBEAT && type != AGENT_RECEIPT;
  return group == "kernel" || type == AUDIT_RULE_CHANGE || type == AUDIT_CONFIG_CHANGE ||
         type == AUDIT_LOST || type == AUDIT_DAEMON;
}

void SortById(absl::Span<const std::string*> ids) {
  std::sort(ids.begin(), ids.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
}

void AppendKey(const Value& value, std::string* key) {
  if (value.kind == Kind::kString) {
    key->append(value.text, std::min<size_t>(value.size, kMaxKey));
  } else if (value.kind == Kind::kInt || value.kind == Kind::kBool) {
    key->append(std::to_string(value.number));
  } else if (value.kind == Kind::kList) {
    for (uint32_t i = 0; i < ListSize(value) && key->size() < kMaxKey; ++i) {
      AppendKey(ListAt(value, i), key);
      key->push_back(',');
    }
  }
}

}  // namespace

void CompiledPolicy::Decide(const Event& event, Decision* decision) const {
  Scratch* scratch = ThreadScratch();
  decision->rules.clear();
  decision->excepted.clear();
  decision->severity = SEVERITY_NONE;
  decision->silenced = decision->limited = nullptr;
  decision->capture = CaptureWish();
  bool counted = false;
  rule_index_.Visit(event, scratch, [&](uint32_t number) {
    Consider(rules_[number], event, scratch, decision, &counted);
  });
  bool protect = decision->severity >= SEVERITY_HIGH;
  for (const std::string* rule : decision->rules) protect |= rule->compare(0, 6, "floor:") == 0;
  if (category_events_.test(static_cast<uint8_t>(event.record->type()))) {
    ConsiderCategory(event, scratch, decision);
  }
  if (!decision->rules.empty() && !protect && host_rate_.rule != nullptr &&
      !limits_.Allow(host_rate_, "", event.time_ns)) {
    decision->rules.clear();
    decision->limited = host_rate_.rule;
    counted = true;
  }
  if (decision->rules.size() > 1) SortById(absl::MakeSpan(decision->rules));
  if (decision->excepted.size() > 1) SortById(absl::MakeSpan(decision->excepted));
  decision->verdict = !decision->rules.empty() ? Verdict::kRecord
                      : counted                ? Verdict::kCount
                                               : Verdict::kDrop;
  decision->urgent = UrgentType(event.record->type()) || decision->severity >= SEVERITY_HIGH;
}

bool CompiledPolicy::Matches(const std::string& id, const cel::Program* when, const Event& event,
                             Scratch* scratch, bool on_error) const {
  if (when == nullptr) return true;
  const Value value = when->Evaluate(event, scratch);
  if (!value.is_error()) return value.is_true();
  failed_.Count(id, value.text);
  return on_error;
}

void CompiledPolicy::Consider(const CompiledRule& rule, const Event& event, Scratch* scratch,
                              Decision* decision, bool* counted) const {
  if (!Matches(rule.id, rule.when.get(), event, scratch, true)) return;
  if (Excepted(rule, event, scratch, decision, counted)) return;
  if (rule.limit.rule != nullptr && Limited(rule, event, scratch)) {
    if (decision->limited == nullptr || rule.id < *decision->limited) decision->limited = &rule.id;
    *counted |= rule.limit_counts;
    return;
  }
  decision->rules.push_back(&rule.id);
  decision->severity = std::max(decision->severity, rule.severity);
  decision->capture.level = std::max(decision->capture.level, rule.capture.level);
  decision->capture.ancestors = std::max(decision->capture.ancestors, rule.capture.ancestors);
  decision->capture.exe_hash |= rule.capture.exe_hash;
}

// All of a rule's exceptions are asked, so that their order says nothing.
bool CompiledPolicy::Excepted(const CompiledRule& rule, const Event& event, Scratch* scratch,
                              Decision* decision, bool* counted) const {
  bool excepted = false;
  for (const CompiledException& exception : rule.exceptions) {
    if (WallSeconds(event) >= exception.expires_s) continue;
    if (!Matches(exception.id, exception.when.get(), event, scratch, false)) continue;
    decision->excepted.push_back(&exception.id);
    *counted |= exception.counts;
    excepted = true;
  }
  return excepted;
}

bool CompiledPolicy::Limited(const CompiledRule& rule, const Event& event, Scratch* scratch) const {
  thread_local std::string key;
  key.clear();
  for (const Field* field : rule.limit_per) {
    scratch->Reset();
    if (!key.empty()) key.push_back(' ');
    AppendKey(field->get(event, *field, scratch), &key);
  }
  return !limits_.Allow(rule.limit, key, event.time_ns);
}

void CompiledPolicy::ConsiderCategory(const Event& event, Scratch* scratch,
                                      Decision* decision) const {
  const std::string* silenced = nullptr;
  noise_index_.Visit(event, scratch, [&](uint32_t number) {
    const CompiledNoise& noise = noise_[number];
    if (silenced != nullptr && *silenced < noise.id) return;
    if (Matches(noise.id, noise.when.get(), event, scratch, false)) silenced = &noise.id;
  });
  if (silenced != nullptr) {
    decision->silenced = silenced;
  } else {
    decision->rules.push_back(&CategoryRule(CategoryOf(event.record->type())));
    decision->capture.level = std::max(decision->capture.level, LEVEL_STANDARD);
  }
}

// 0 where the time is not known: then no exception has expired.
int64_t CompiledPolicy::WallSeconds(const Event& event) const {
  if (event.wall_ns != 0) return static_cast<int64_t>(event.wall_ns / 1000000000);
  if (event.time_ns == 0) return 0;
  return (static_cast<int64_t>(event.time_ns) + wall_offset_ns_) / 1000000000;
}

uint64_t CompiledPolicy::NewIdentity() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1) + 1;
}

// A generation of a process is looked through once: its arguments do not change.
void CompiledPolicy::Redact(Record* record, Process* process) const {
  struct Seen {
    uint64_t policy;
    uint64_t start_ns;
    uint32_t pid, generation;
  };
  constexpr size_t kSeen = 4096;
  thread_local const std::unique_ptr<Seen[]> all_seen(new Seen[kSeen]());
  if (redactors_.empty()) return;
  Seen* seen = nullptr;
  // An exec brings arguments that were not seen; a process without a start has no identity.
  if (process != nullptr && process->start_ns() != 0) {
    seen = &all_seen[(process->start_ns() ^ process->pid()) % kSeen];
    const bool before = seen->policy == identity_ && seen->start_ns == process->start_ns() &&
                        seen->pid == process->pid() && seen->generation == process->generation();
    if (before && record->type() != PROCESS_EXEC) process = nullptr;
  }
  for (const Redactor& redactor : redactors_) {
    if (!redactor.events().test(static_cast<uint8_t>(record->type()))) {
      seen = nullptr;  // not all of them had their turn
      continue;
    }
    if (redactor.Apply(record, process)) record->add_redactions(redactor.id());
  }
  if (seen != nullptr && process != nullptr) {
    *seen = {identity_, process->start_ns(), process->pid(), process->generation()};
  }
}

void CompiledPolicy::TakeNotices(uint64_t time_ns, bool last,
                                 absl::FunctionRef<void(const Record&)> sink) const {
  limits_.TakeNotices(time_ns, last, sink);
  failed_.TakeNotices(sink);
  wall_offset_ns_ = WallOffsetNs();  // a clock may be set late, or again
  const int64_t now_s = (static_cast<int64_t>(time_ns) + wall_offset_ns_) / 1000000000;
  const int64_t told_s = expiry_told_s_.exchange(now_s);
  for (const CompiledRule& rule : rules_) {
    for (const CompiledException& exception : rule.exceptions) {
      if (exception.expires_s > now_s || exception.expires_s <= told_s) continue;
      Record record;
      record.set_type(AGENT_EXCEPTION_EXPIRED);
      record.set_source(SOURCE_AGENT);
      record.mutable_notice()->set_what(exception.id);
      record.mutable_notice()->set_detail("exception of rule " + rule.id + " no longer applies");
      sink(record);
    }
  }
}

}  // namespace cairn::policy
