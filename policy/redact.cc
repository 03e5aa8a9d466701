#include "policy/redact.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace cairn::policy {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr absl::string_view kMask = "***";
constexpr size_t kMaxMatches = 256;  // in one text

// The message and field that `path` ("audit.text") names within `message`; null field: unset.
const FieldDescriptor* Reach(Message** message, absl::string_view path) {
  const size_t dot = path.find('.');
  const auto* type = (*message)->GetDescriptor();
  const auto* field = type->FindFieldByName(std::string(path.substr(0, dot)));
  if (dot == absl::string_view::npos) return field;
  if (!(*message)->GetReflection()->HasField(**message, field)) return nullptr;
  *message = (*message)->GetReflection()->MutableMessage(*message, field);
  return Reach(message, path.substr(dot + 1));
}

// A word of an audit record: where its value stands in the text, and what it says.
struct AuditWord {
  size_t begin, end;
  std::string value;
};

bool IsHex(absl::string_view text) {
  return !text.empty() && text.size() % 2 == 0 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c));
  });
}

// a0=…, a1=…, and proctitle=… of EXECVE and PROCTITLE records: quoted text or hexadecimal,
// audit(7) "untrusted strings".
std::vector<AuditWord> AuditWords(absl::string_view text) {
  std::vector<AuditWord> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const absl::string_view token = text.substr(at, end - at);
    const size_t equals = token.find('=');
    const bool argument = equals != absl::string_view::npos && equals >= 2 && token[0] == 'a' &&
                          absl::ascii_isdigit(static_cast<unsigned char>(token[1]));
    const bool title = token.substr(0, 10) == "proctitle=";
    if (argument || title) {
      size_t begin = at + (title ? 10 : equals + 1);
      size_t stop = end;
      std::string value;
      if (begin < text.size() && text[begin] == '"') {
        stop = std::min(text.find('"', begin + 1), text.size() - 1) + 1;
        value = std::string(text.substr(begin + 1, stop - begin - 2));
      } else if (IsHex(text.substr(begin, end - begin))) {
        value = absl::HexStringToBytes(text.substr(begin, end - begin));
      } else {
        value = std::string(text.substr(begin, end - begin));
      }
      if (title) std::replace(value.begin(), value.end(), '\0', ' ');
      words.push_back({begin, stop, std::move(value)});
      at = stop;
    }
    at = std::max(at, end) + 1;
  }
  return words;
}

}  // namespace

bool IsRedactable(const Field& field) {
  if (field.path == nullptr || field.outer != nullptr) return false;
  return field.name == "process.argv" || field.name == "process.env" ||
         field.name == "process.cwd" || field.name == "process.script" ||
         field.name == "file.path" || field.name == "target.path" || field.name == "net.path" ||
         field.name == "net.dns.name" || field.name == "kernel.value" ||
         (field.name.substr(0, 6) == "audit." && field.type == Type::kString);
}

Redactor::Redactor(const Redaction& redaction, std::unique_ptr<RE2> pattern, EventSet events,
                   std::string hmac_key)
    : id_(redaction.id()),
      fields_(redaction.fields().begin(), redaction.fields().end()),
      pattern_(std::move(pattern)),
      events_(events),
      replace_(redaction.replace() == Redaction::REPLACE_UNSPECIFIED ? Redaction::REPLACE_MASK
                                                                     : redaction.replace()),
      hmac_key_(std::move(hmac_key)) {}

std::vector<Redactor::Span> Redactor::Find(absl::string_view text) const {
  std::vector<Span> spans;
  const int groups = std::min(pattern_->NumberOfCapturingGroups(), 15);
  re2::StringPiece found[16];
  const re2::StringPiece all(text.data(), text.size());
  for (size_t at = 0; at <= text.size() && spans.size() < kMaxMatches;) {
    if (!pattern_->Match(all, at, text.size(), RE2::UNANCHORED, found, groups + 1)) break;
    for (int i = groups == 0 ? 0 : 1; i <= groups; ++i) {
      if (found[i].data() == nullptr || found[i].empty()) continue;
      const auto begin = static_cast<size_t>(found[i].data() - text.data());
      // Where every group is inside the one before it, the outer one is replaced.
      if (!spans.empty() && begin < spans.back().end) continue;
      spans.push_back({begin, begin + found[i].size()});
    }
    const auto end = static_cast<size_t>(found[0].data() - text.data()) + found[0].size();
    at = found[0].empty() ? end + 1 : end;
  }
  return spans;
}

std::string Redactor::ReplacementOf(absl::string_view secret) const {
  if (replace_ == Redaction::REPLACE_REMOVE) return "";
  if (replace_ == Redaction::REPLACE_MASK) return std::string(kMask);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), hmac_key_.data(), static_cast<int>(hmac_key_.size()),
       reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), mac, &size);
  return absl::StrCat("hmac:", absl::BytesToHexString({reinterpret_cast<char*>(mac), 8}));
}

bool Redactor::ApplyText(std::string* text) const {
  const std::vector<Span> spans = Find(*text);
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    const std::string secret = text->substr(span->begin, span->end - span->begin);
    text->replace(span->begin, span->end - span->begin, ReplacementOf(secret));
  }
  return !spans.empty();
}

// Spans of the joined text, brought back to the elements they touch: the first part of a span
// that crosses elements is replaced, the rest is cut out.
bool Redactor::ApplyList(Strings* list) const {
  std::string joined;
  std::vector<size_t> starts;
  for (const std::string& element : *list) {
    if (!starts.empty()) joined.push_back(' ');
    starts.push_back(joined.size());
    joined += element;
  }
  const std::vector<Span> spans = Find(joined);
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    const std::string secret = joined.substr(span->begin, span->end - span->begin);
    for (size_t i = starts.size(); i-- > 0;) {
      std::string* element = list->Mutable(static_cast<int>(i));
      const size_t from = std::max(span->begin, starts[i]);
      const size_t original_end = i + 1 < starts.size() ? starts[i + 1] - 1 : joined.size();
      const size_t to = std::min(span->end, original_end);
      if (from >= to) continue;
      const bool first = span->begin >= starts[i];
      element->replace(from - starts[i], to - from, first ? ReplacementOf(secret) : "");
    }
  }
  return !spans.empty();
}

// The raw records of an exec say the arguments again, each in a word of its own.
bool Redactor::ApplyAuditText(std::string* text) const {
  const std::vector<AuditWord> words = AuditWords(*text);
  Strings values;
  for (const AuditWord& word : words) *values.Add() = word.value;
  if (words.empty() || !ApplyList(&values)) return false;
  for (size_t i = words.size(); i-- > 0;) {
    const std::string& value = values.Get(static_cast<int>(i));
    if (value == words[i].value) continue;
    std::string written = absl::StrCat("\"", value, "\"");
    const bool plain = std::all_of(value.begin(), value.end(),
                                   [](char c) { return c > 0x20 && c < 0x7F && c != '"'; });
    if (!plain) written = absl::AsciiStrToUpper(absl::BytesToHexString(value));
    text->replace(words[i].begin, words[i].end - words[i].begin, written);
  }
  return true;
}

bool Redactor::ApplyField(const std::string& name, Record* record, Process* process) const {
  const Field& field = *FindField(name);
  Message* message = field.of_process() ? static_cast<Message*>(process) : record;
  if (message == nullptr) return false;
  const FieldDescriptor* stored = Reach(&message, field.path);
  if (stored == nullptr) return false;
  const auto* reflection = message->GetReflection();
  if (stored->is_repeated()) {
    if (reflection->FieldSize(*message, stored) == 0) return false;
    return ApplyList(name == "process.argv" ? process->mutable_argv() : process->mutable_env());
  }
  std::string text = reflection->GetString(*message, stored);
  if (text.empty() || !ApplyText(&text)) return false;
  reflection->SetString(message, stored, std::move(text));
  return true;
}

bool Redactor::Apply(Record* record, Process* process) const {
  bool fired = false;
  for (const std::string& name : fields_) {
    fired |= ApplyField(name, record, process);
    if (name == "process.argv" && !record->audit().text().empty()) {
      fired |= ApplyAuditText(record->mutable_audit()->mutable_text());
    }
  }
  return fired;
}

}  // namespace cairn::policy
