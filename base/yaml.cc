#include "base/yaml.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/suggest.h"
#include "base/yaml_tree.h"
#include "google/protobuf/descriptor.h"
#include "proto/options.pb.h"

namespace cairn {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::string_view View(const std::string& text) { return absl::string_view(text); }

struct Unit {
  absl::string_view suffix;  // of the field's name
  int64_t ns;
};
constexpr Unit kUnits[] = {{"_ns", 1}, {"_ms", 1000000}, {"_s", 1000000000}};

bool IsInteger(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

const Unit* UnitOf(const FieldDescriptor& field) {
  if (!IsInteger(field)) return nullptr;
  for (const Unit& unit : kUnits) {
    if (absl::EndsWith(View(field.name()), unit.suffix)) return &unit;
  }
  return nullptr;
}

bool IsSize(const FieldDescriptor& field) {
  return IsInteger(field) && absl::EndsWith(View(field.name()), "_bytes");
}

absl::string_view KeyOf(const FieldDescriptor& field) {
  absl::string_view name = View(field.name());
  if (const Unit* unit = UnitOf(field)) name.remove_suffix(unit->suffix.size());
  return name;
}

// SEVERITY_HIGH of Severity: "high".
std::string EnumWord(const EnumDescriptor& type, int index) {
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  prefix += '_';
  absl::string_view name = View(type.value(index)->name());
  if (absl::StartsWith(name, prefix)) name.remove_prefix(prefix.size());
  std::string word = absl::AsciiStrToLower(name);
  for (char& c : word) {
    if (c == '_') c = '-';
  }
  return word;
}

// Writes a tree into a message. `path_` is that of the value at hand.
class Binder {
 public:
  Binder(const YamlLimits& limits, std::vector<YamlError>* errors, YamlPlaces* places)
      : limits_(limits), errors_(errors), places_(places) {}

  void Bind(const YamlTree& tree, Message* message) {
    if (places_ != nullptr) places_->try_emplace(path_, tree.place);
    if (message->GetDescriptor() == YamlNode::descriptor()) {
      return Copy(tree, static_cast<YamlNode*>(message));
    }
    if (message->GetDescriptor()->options().GetExtension(cairn::inlined)) {
      return Value(tree, *message->GetDescriptor()->field(0), message);
    }
    if (tree.kind != YamlTree::Kind::kMap) return Fail(tree, "must be a mapping (key: value)");
    for (size_t i = 0; i < tree.keys.size(); ++i) {
      const FieldDescriptor* field = Find(*message->GetDescriptor(), tree.keys[i]);
      if (field == nullptr) continue;
      Within scope(&path_, KeyOf(*field));
      Value(tree.values[i], *field, message);
    }
  }

 private:
  // Appends ".key" or "[i]" to the path for as long as it lives.
  class Within {
   public:
    Within(std::string* path, absl::string_view key) : path_(path), size_(path->size()) {
      absl::StrAppend(path, path->empty() ? "" : ".", key);
    }
    Within(std::string* path, size_t index) : path_(path), size_(path->size()) {
      absl::StrAppend(path, "[", index, "]");
    }
    ~Within() { path_->resize(size_); }

   private:
    std::string* const path_;
    const size_t size_;
  };

  void Fail(const YamlTree& at, absl::string_view cause) {
    if (errors_->size() > limits_.max_errors) return;
    if (errors_->size() == limits_.max_errors) cause = "too many errors; the rest is not shown";
    errors_->push_back({at.place.line, at.place.column,
                        path_.empty() ? std::string(cause) : absl::StrCat(path_, ": ", cause)});
  }

  const FieldDescriptor* Find(const Descriptor& type, const YamlTree& key) {
    std::vector<absl::string_view> known;
    for (int i = 0; i < type.field_count(); ++i) {
      if (KeyOf(*type.field(i)) == key.text) return type.field(i);
      known.push_back(KeyOf(*type.field(i)));
    }
    Fail(key,
         absl::StrCat("unknown key '", EscapeBytes(key.text), "'", DidYouMean(key.text, known)));
    return nullptr;
  }

  void Copy(const YamlTree& tree, YamlNode* node) {
    node->set_line(static_cast<uint32_t>(tree.place.line));
    node->set_column(static_cast<uint32_t>(tree.place.column));
    node->set_text(tree.text);
    node->set_quoted(tree.quoted);
    node->set_kind(static_cast<YamlNode::Kind>(tree.kind));
    for (const YamlTree& key : tree.keys) node->add_keys(key.text);
    for (const YamlTree& value : tree.values) Copy(value, node->add_values());
  }

  void Value(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    if (places_ != nullptr) places_->try_emplace(path_, tree.place);
    if (tree.kind == YamlTree::Kind::kScalar && tree.text.empty() && !tree.quoted) {
      return Fail(tree, "has no value");
    }
    if (field.is_map()) return Map(tree, field, message);
    if (field.is_repeated()) return List(tree, field, message);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return Bind(tree, message->GetReflection()->MutableMessage(message, &field));
    }
    Scalar(tree, field, message);
  }

  void List(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    if (tree.kind != YamlTree::Kind::kList) return Fail(tree, "must be a list ([a, b] or - a)");
    for (size_t i = 0; i < tree.values.size(); ++i) {
      Within scope(&path_, i);
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Bind(tree.values[i], message->GetReflection()->AddMessage(message, &field));
      } else {
        if (places_ != nullptr) places_->try_emplace(path_, tree.values[i].place);
        Scalar(tree.values[i], field, message);
      }
    }
  }

  void Map(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    if (tree.kind != YamlTree::Kind::kMap) return Fail(tree, "must be a mapping (name: value)");
    const Descriptor& entry_type = *field.message_type();
    for (size_t i = 0; i < tree.keys.size(); ++i) {
      Within scope(&path_, tree.keys[i].text);
      Message* entry = message->GetReflection()->AddMessage(message, &field);
      entry->GetReflection()->SetString(entry, entry_type.field(0), tree.keys[i].text);
      Value(tree.values[i], *entry_type.field(1), entry);
    }
  }

  void Scalar(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    if (tree.kind != YamlTree::Kind::kScalar) return Fail(tree, "must be one value");
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return Text(tree, field, message);
      case FieldDescriptor::CPPTYPE_BOOL:
        return Bool(tree, field, message);
      case FieldDescriptor::CPPTYPE_ENUM:
        return Enum(tree, field, message);
      default:
        return Integer(tree, field, message);
    }
  }

  void Text(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    const Reflection* reflection = message->GetReflection();
    if (field.is_repeated()) return reflection->AddString(message, &field, tree.text);
    reflection->SetString(message, &field, tree.text);
  }

  void Bool(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    const bool value = tree.text == "true";
    if (tree.quoted || (!value && tree.text != "false")) {
      return Fail(tree, absl::StrCat("must be true or false, not '", EscapeBytes(tree.text), "'"));
    }
    const Reflection* reflection = message->GetReflection();
    if (field.is_repeated()) return reflection->AddBool(message, &field, value);
    reflection->SetBool(message, &field, value);
  }

  void Enum(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    const EnumDescriptor& type = *field.enum_type();
    std::vector<std::string> words;
    for (int i = 0; i < type.value_count(); ++i) {
      words.push_back(EnumWord(type, i));
      if (words.back() == "unspecified")
        words.pop_back();
      else if (words.back() == tree.text)
        return SetEnum(type.value(i)->number(), field, message);
    }
    const std::vector<absl::string_view> known(words.begin(), words.end());
    std::string all;
    for (const std::string& word : words) absl::StrAppend(&all, all.empty() ? "" : ", ", word);
    Fail(tree, absl::StrCat("must be one of ", all, ", not '", EscapeBytes(tree.text), "'",
                            DidYouMean(tree.text, known)));
  }

  void SetEnum(int number, const FieldDescriptor& field, Message* message) {
    const Reflection* reflection = message->GetReflection();
    if (field.is_repeated()) return reflection->AddEnumValue(message, &field, number);
    reflection->SetEnumValue(message, &field, number);
  }

  void Integer(const YamlTree& tree, const FieldDescriptor& field, Message* message) {
    const Unit* unit = UnitOf(field);
    absl::StatusOr<int64_t> value = unit != nullptr ? Duration(tree.text, *unit)
                                    : IsSize(field) ? Size(tree.text)
                                                    : Decimal(tree, field);
    if (value.ok()) {
      const absl::Status stored = Store(*value, field, message);
      if (stored.ok()) return;
      value = stored;
    }
    Fail(tree, absl::StrCat("'", EscapeBytes(tree.text), "': ", value.status().message()));
  }

  static absl::StatusOr<int64_t> Duration(absl::string_view text, const Unit& unit) {
    absl::StatusOr<int64_t> ns = ParseDurationNs(text);
    if (ns.ok() && *ns % unit.ns != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("must be a multiple of 1", unit.suffix.substr(1)));
    }
    if (ns.ok()) *ns /= unit.ns;
    return ns;
  }

  static absl::StatusOr<int64_t> Size(absl::string_view text) {
    const absl::StatusOr<uint64_t> bytes = ParseSizeBytes(text);
    if (!bytes.ok()) return bytes.status();
    if (*bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return absl::InvalidArgumentError("too large");
    }
    return static_cast<int64_t>(*bytes);
  }

  // 64-bit unsigned values above 2^63 come out as the negative number of the same bits.
  static absl::StatusOr<int64_t> Decimal(const YamlTree& tree, const FieldDescriptor& field) {
    absl::string_view digits = tree.text;
    if (!digits.empty() && digits[0] == '-') digits.remove_prefix(1);
    if (tree.quoted || digits.empty()) return absl::InvalidArgumentError("must be an integer");
    for (const char c : digits) {
      if (c < '0' || c > '9') return absl::InvalidArgumentError("must be a decimal integer");
    }
    if (digits.size() > 1 && digits[0] == '0') {
      return absl::InvalidArgumentError("a leading 0 (octal) is not accepted");
    }
    int64_t value = 0;
    uint64_t large = 0;
    if (absl::SimpleAtoi(tree.text, &value)) return value;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64 && absl::SimpleAtoi(digits, &large) &&
        tree.text[0] != '-') {
      return static_cast<int64_t>(large);
    }
    return absl::InvalidArgumentError("too large");
  }

  absl::Status Store(int64_t value, const FieldDescriptor& field, Message* message) {
    const Reflection* reflection = message->GetReflection();
    const auto out_of_range = absl::InvalidArgumentError("out of range");
    const bool repeated = field.is_repeated();
    const auto set = [&](auto add, auto assign, auto typed) {
      (reflection->*(repeated ? add : assign))(message, &field, typed);
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        if (value != static_cast<int32_t>(value)) return out_of_range;
        set(&Reflection::AddInt32, &Reflection::SetInt32, static_cast<int32_t>(value));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        if (value != static_cast<uint32_t>(value)) return out_of_range;
        set(&Reflection::AddUInt32, &Reflection::SetUInt32, static_cast<uint32_t>(value));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        set(&Reflection::AddInt64, &Reflection::SetInt64, value);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        set(&Reflection::AddUInt64, &Reflection::SetUInt64, static_cast<uint64_t>(value));
        break;
      default:
        return absl::InvalidArgumentError("a field of a type YAML has no form for");
    }
    return absl::OkStatus();
  }

  const YamlLimits& limits_;
  std::vector<YamlError>* const errors_;
  YamlPlaces* const places_;
  std::string path_;
};

}  // namespace

void ParseYaml(absl::string_view text, const YamlLimits& limits, Message* message,
               std::vector<YamlError>* errors, YamlPlaces* places) {
  message->Clear();
  YamlTree root;
  if (ReadYamlTree(text, limits, &root, errors)) {
    Binder(limits, errors, places).Bind(root, message);
  }
}

absl::Status ParseYamlFile(absl::string_view text, absl::string_view file, Message* message) {
  std::vector<YamlError> errors;
  ParseYaml(text, YamlLimits(), message, &errors);
  if (errors.empty()) return absl::OkStatus();
  std::string all;
  for (const YamlError& error : errors) {
    absl::StrAppend(&all, all.empty() ? "" : "\n", file, ":", error.line, ":", error.column, ": ",
                    error.cause);
  }
  return absl::InvalidArgumentError(all);
}

}  // namespace cairn
