// Secrets taken out of a record before it is hashed.
#ifndef CAIRN_POLICY_REDACT_H_
#define CAIRN_POLICY_REDACT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "policy/schema.h"
#include "proto/policy.pb.h"
#include "proto/record.pb.h"
#include "re2/re2.h"

namespace cairn::policy {

// One redaction. The groups of the pattern are replaced, or the whole match where it has none.
// Lists (process.argv, process.env) are matched as their elements joined by spaces, so that what
// is split over two elements is found; process.argv covers the same text in audit.text.
class Redactor {
 public:
  Redactor(const Redaction& redaction, std::unique_ptr<RE2> pattern, EventSet events,
           std::string hmac_key);

  const std::string& id() const { return id_; }
  const EventSet& events() const { return events_; }
  Redaction::Replace replace() const { return replace_; }

  // True when something was replaced. `process` may be null: it is then left alone.
  bool Apply(Record* record, Process* process) const;

  // The spans of `text` to replace, in order, apart.
  struct Span {
    size_t begin, end;
  };
  std::vector<Span> Find(absl::string_view text) const;
  std::string ReplacementOf(absl::string_view secret) const;

 private:
  bool ApplyText(std::string* text) const;
  bool ApplyList(Strings* list) const;
  bool ApplyAuditText(std::string* text) const;
  bool ApplyField(const std::string& name, Record* record, Process* process) const;

  std::string id_;
  std::vector<std::string> fields_;
  std::unique_ptr<RE2> pattern_;
  EventSet events_;
  Redaction::Replace replace_;
  std::string hmac_key_;
};

// Whether `name` is a field a redaction can work on: text or a list of text that is stored.
bool IsRedactable(const Field& field);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_REDACT_H_
