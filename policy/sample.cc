#include "policy/sample.h"

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/suggest.h"
#include "policy/cel_functions.h"
#include "policy/schema.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kLargestNamedNumber = 300;  // of protocols, address families, …

class SampleReader {
 public:
  SampleReader(Sample* sample, std::vector<YamlError>* errors)
      : sample_(sample), errors_(errors), scratch_(std::make_unique<Scratch>()) {}

  void Map(const YamlNode& node, const std::string& prefix) {
    if (node.kind() != YamlNode::MAP) return Wrong(node, prefix + " must be a mapping");
    for (int i = 0; i < node.keys_size(); ++i) {
      const std::string name = prefix.empty() ? node.keys(i) : prefix + "." + node.keys(i);
      if (name == "type") continue;
      if (const Field* field = FindField(name)) {
        Set(*field, node.values(i));
      } else if (IsFieldPrefix(name)) {
        Map(node.values(i), name);
      } else {
        std::vector<absl::string_view> known = {"type"};
        for (const Field& each : Fields()) known.push_back(each.name);
        Wrong(node.values(i), absl::StrCat("unknown field '", name, "'", DidYouMean(name, known)));
      }
    }
  }

  void Type(const YamlNode& node) {
    for (int i = 0; i < node.keys_size(); ++i) {
      if (node.keys(i) != "type") continue;
      const auto type = EventByName(node.values(i).text());
      if (type) return sample_->record.set_type(*type);
      return Wrong(node.values(i), absl::StrCat("no event '", node.values(i).text(), "'"));
    }
    Wrong(node, "the event has no type");
  }

 private:
  void Wrong(const YamlNode& node, std::string cause) {
    errors_->push_back(
        {static_cast<int>(node.line()), static_cast<int>(node.column()), std::move(cause)});
  }

  void Set(const Field& field, const YamlNode& node) {
    if (sample_->record.type() != UNKNOWN_EVENT && !field.ExistsFor(sample_->record.type())) {
      return Wrong(node, absl::StrCat(EventName(sample_->record.type()), " has no field '",
                                      field.name, "'"));
    }
    if (field.path == nullptr) {
      return Wrong(node, absl::StrCat("'", field.name, "' follows from other fields"));
    }
    Message* message = field.of_process() ? static_cast<Message*>(&sample_->process)
                                          : static_cast<Message*>(&sample_->record);
    absl::string_view path = field.path;
    for (size_t dot = path.find('.'); dot != absl::string_view::npos; dot = path.find('.')) {
      const auto* outer =
          message->GetDescriptor()->FindFieldByName(std::string(path.substr(0, dot)));
      message = message->GetReflection()->MutableMessage(message, outer);
      path.remove_prefix(dot + 1);
    }
    const auto* stored = message->GetDescriptor()->FindFieldByName(std::string(path));
    if (!Store(field, *stored, node, message)) {
      Wrong(node, absl::StrCat(field.name, ": not a ", TypeName(field.type), " it can have"));
    }
  }

  bool Store(const Field& field, const FieldDescriptor& stored, const YamlNode& node,
             Message* message) {
    if (stored.is_map()) return StoreMap(node);
    if (field.type == Type::kAncestors) return StoreAncestors(node);
    if (field.type == Type::kStrings) return StoreWords(field, stored, node, message);
    if (node.kind() != YamlNode::SCALAR) return false;
    const auto* reflection = message->GetReflection();
    if (stored.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      return StoreText(field, stored, node.text(), message);
    }
    if (field.type == Type::kBool) {
      reflection->SetBool(message, &stored, node.text() == "true");
      return node.text() == "true" || node.text() == "false";
    }
    if (field.type == Type::kString) return StoreNamed(field, stored, node.text(), message);
    int64_t number = 0;
    if (node.text() == "unset")
      number = kUnset;
    else if (!absl::SimpleAtoi(node.text(), &number))
      return false;
    return StoreNumber(stored, number, message);
  }

  static bool StoreNumber(const FieldDescriptor& stored, int64_t number, Message* message) {
    const auto* reflection = message->GetReflection();
    switch (stored.cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection->SetUInt32(message, &stored, static_cast<uint32_t>(number));
        return number >= 0 && number <= UINT32_MAX;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection->SetUInt64(message, &stored, static_cast<uint64_t>(number));
        return number >= 0;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->SetInt32(message, &stored, static_cast<int32_t>(number));
        return number >= INT32_MIN && number <= INT32_MAX;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(message, &stored, number);
        return true;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(message, &stored, static_cast<int>(number));
        return true;
      default:
        return false;
    }
  }

  bool StoreText(const Field& field, const FieldDescriptor& stored, std::string text,
                 Message* message) {
    if (field.name == "net.src_ip" || field.name == "net.dst_ip") {
      Address address;
      if (!cel::ParseAddress(text, &address)) return false;
      text.assign(reinterpret_cast<const char*>(address.bytes), address.length);
    } else if (field.name == "process.exe_hash") {
      text = absl::HexStringToBytes(text);
    }
    message->GetReflection()->SetString(message, &stored, std::move(text));
    return true;
  }

  // A number that has a name ("tcp"): the one whose getter says that name.
  bool StoreNamed(const Field& field, const FieldDescriptor& stored, const std::string& text,
                  Message* message) {
    const Event event{0, &sample_->record, &sample_->process, 0};
    for (int number = 0; number < kLargestNamedNumber; ++number) {
      if (!StoreNumber(stored, number, message)) return false;
      scratch_->Reset();
      if (field.get(event, field, scratch_.get()).view() == text) return true;
    }
    return false;
  }

  bool StoreWords(const Field& field, const FieldDescriptor& stored, const YamlNode& node,
                  Message* message) {
    if (node.kind() != YamlNode::LIST) return false;
    const auto* reflection = message->GetReflection();
    const WordTable& table = WordsOf(field.name == "file.access" ? kAccessWords : kCapabilityWords);
    uint64_t mask = 0;
    for (const YamlNode& word : node.values()) {
      if (word.kind() != YamlNode::SCALAR) return false;
      if (stored.is_repeated()) {
        reflection->AddString(message, &stored, word.text());
        continue;
      }
      uint32_t bit = 0;
      while (bit < table.count && word.text() != table.names[bit]) ++bit;
      if (bit == table.count) return false;
      mask |= uint64_t{1} << bit;
    }
    return stored.is_repeated() || StoreNumber(stored, static_cast<int64_t>(mask), message);
  }

  bool StoreMap(const YamlNode& node) {
    if (node.kind() != YamlNode::MAP) return false;
    for (int i = 0; i < node.keys_size(); ++i) {
      (*sample_->record.mutable_audit()->mutable_fields())[node.keys(i)] = node.values(i).text();
    }
    return true;
  }

  bool StoreAncestors(const YamlNode& node) {
    if (node.kind() != YamlNode::LIST) return false;
    for (const YamlNode& one : node.values()) {
      if (one.kind() != YamlNode::MAP) return false;
      Ancestor* ancestor = sample_->process.add_ancestors();
      for (int i = 0; i < one.keys_size(); ++i) {
        const auto* stored = Ancestor::descriptor()->FindFieldByName(one.keys(i));
        int64_t number = 0;
        if (stored == nullptr) return false;
        if (stored->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
          ancestor->GetReflection()->SetString(ancestor, stored, one.values(i).text());
        } else if (!absl::SimpleAtoi(one.values(i).text(), &number) ||
                   !StoreNumber(*stored, number, ancestor)) {
          return false;
        }
      }
    }
    return true;
  }

  Sample* const sample_;
  std::vector<YamlError>* const errors_;
  const std::unique_ptr<Scratch> scratch_;
};

bool Given(const YamlNode& event, absl::string_view name) {
  for (int i = 0; i < event.keys_size(); ++i) {
    if (event.keys(i) != "process") continue;
    for (const std::string& key : event.values(i).keys()) {
      if (key == name) return true;
    }
  }
  return false;
}

}  // namespace

void ReadSample(const YamlNode& node, Sample* sample, std::vector<YamlError>* errors) {
  if (node.kind() != YamlNode::MAP) {
    errors->push_back({static_cast<int>(node.line()), static_cast<int>(node.column()),
                       "the event must be a mapping"});
    return;
  }
  SampleReader reader(sample, errors);
  reader.Type(node);
  reader.Map(node, "");
  Process& process = sample->process;
  if (!Given(node, "auid")) process.set_auid(kUnset);
  if (!Given(node, "euid")) process.set_euid(process.uid());
  if (!Given(node, "suid")) process.set_suid(process.uid());
  if (!Given(node, "fsuid")) process.set_fsuid(process.uid());
}

}  // namespace cairn::policy
