// cairn policy schema: the language for editors (JSON Schema 2020-12) and for people.
#include <cstdio>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/policy_files.h"
#include "policy/event_json.h"
#include "policy/schema.h"
#include "proto/names.h"
#include "proto/options.pb.h"
#include "proto/policy.pb.h"

namespace cairn::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::string Json(absl::string_view text) {
  std::string out;
  policy::AppendJsonString(text, &out);
  return out;
}

std::string EventPattern() {
  std::vector<std::string> names;
  std::set<std::string> groups;
  for (int t = 1; t < 256; ++t) {
    const auto type = static_cast<EventType>(t);
    if (EventName(type) == "unknown") continue;
    names.push_back(Json(EventName(type)));
    groups.insert(Json(absl::StrCat(EventGroup(type), ".*")));
  }
  names.insert(names.end(), groups.begin(), groups.end());
  return absl::StrCat("{\"enum\":[", absl::StrJoin(names, ","), "]}");
}

std::string EnumOf(const FieldDescriptor& field) {
  std::vector<std::string> words;
  const auto& type = *field.enum_type();
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  prefix += '_';
  for (int i = 0; i < type.value_count(); ++i) {
    absl::string_view name = type.value(i)->name();
    if (absl::StartsWith(name, prefix)) name.remove_prefix(prefix.size());
    if (name == "UNSPECIFIED") continue;
    words.push_back(Json(absl::AsciiStrToLower(name)));
  }
  return absl::StrCat("{\"enum\":[", absl::StrJoin(words, ","), "]}");
}

// Collects one definition a message.
class Schema {
 public:
  std::string Of(const Descriptor& root) {
    const std::string reference = Message(root);
    std::string all = absl::StrCat(
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":"
        "\"cairn policy\",\"$ref\":",
        Json(reference), ",\"$defs\":{");
    bool first = true;
    for (const auto& [name, text] : definitions_) {
      absl::StrAppend(&all, first ? "" : ",", Json(name), ":", text);
      first = false;
    }
    return all + "}}";
  }

 private:
  std::string Message(const Descriptor& type) {
    const std::string reference = "#/$defs/" + type.name();
    if (!definitions_.try_emplace(type.name(), "").second) return reference;
    std::string text = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{";
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      std::string key = field.name();
      if (absl::EndsWith(key, "_ns")) key.resize(key.size() - 3);
      absl::StrAppend(&text, i == 0 ? "" : ",", Json(key), ":", Value(field));
    }
    definitions_[type.name()] = text + "}}";
    return reference;
  }

  std::string Value(const FieldDescriptor& field) {
    if (field.is_map()) {
      return absl::StrCat("{\"type\":\"object\",\"additionalProperties\":",
                          One(*field.message_type()->field(1)), "}");
    }
    if (field.is_repeated()) {
      const bool events = field.name() == "on";
      return absl::StrCat("{\"type\":\"array\",\"items\":", events ? EventPattern() : One(field),
                          "}");
    }
    return One(field);
  }

  std::string One(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return "{\"type\":\"boolean\"}";
      case FieldDescriptor::CPPTYPE_STRING:
        return "{\"type\":\"string\"}";
      case FieldDescriptor::CPPTYPE_ENUM:
        return EnumOf(field);
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const Descriptor& type = *field.message_type();
        if (&type == YamlNode::descriptor()) return "{\"type\":\"object\"}";
        if (type.options().GetExtension(inlined)) return Value(*type.field(0));
        return absl::StrCat("{\"$ref\":", Json(Message(type)), "}");
      }
      default:
        if (absl::EndsWith(field.name(), "_ns")) {
          return "{\"type\":\"string\",\"pattern\":\"^([0-9]+(ns|us|ms|s|m|h|d))+$\"}";
        }
        return "{\"type\":\"integer\",\"minimum\":0}";
    }
  }

  std::map<std::string, std::string> definitions_;
};

void PrintFields() {
  for (const policy::Field& field : policy::Fields()) {
    if (field.outer != nullptr) continue;
    std::printf("%-26s %-20s %s\n", std::string(field.name).c_str(),
                std::string(policy::TypeName(field.type)).c_str(), std::string(field.doc).c_str());
  }
}

int RunSchema(const Arguments& arguments) {
  if (arguments.Has("--fields")) {
    PrintFields();
  } else {
    std::printf("%s\n", Schema().Of(*policy::PolicyFile::descriptor()).c_str());
  }
  return kOk;
}

}  // namespace

Command PolicySchemaCommand() {
  Command command;
  command.name = "policy schema";
  command.summary = "Print the JSON Schema of policy files, or the fields of events";
  command.details = "Editors complete and check policy files with it.";
  command.options = {{"--fields", "", "print the fields that conditions may use"}};
  command.run = RunSchema;
  return command;
}

}  // namespace cairn::cli
