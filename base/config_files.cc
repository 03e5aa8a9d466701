#include "base/config_files.h"

#include <cstdlib>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/status.h"
#include "base/yaml.h"
#include "google/protobuf/descriptor.h"

namespace cairn {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kMaxBytes = 1 << 20;
constexpr absl::string_view kCredential = "credential:";

// The field whose YAML key is `key`: of a duration its name without the unit (base/yaml.h).
const FieldDescriptor* FieldOf(const Descriptor& type, absl::string_view key) {
  for (const absl::string_view unit : {"", "_ms", "_s", "_ns"}) {
    const FieldDescriptor* field = type.FindFieldByName(absl::StrCat(key, unit));
    if (field != nullptr) return field;
  }
  return nullptr;
}

// Forgets what `config` has at `path` ("log.segment_age"), unless that is a message.
void Forget(absl::string_view path, Message* config) {
  for (const absl::string_view key : absl::StrSplit(path, '.')) {
    const FieldDescriptor* field = FieldOf(*config->GetDescriptor(), key);
    if (field == nullptr) return;
    if (field->is_repeated() || field->message_type() == nullptr) {
      config->GetReflection()->ClearField(config, field);
      return;
    }
    config = config->GetReflection()->MutableMessage(config, field);
  }
}

// Puts what `text` says in the place of what was said before: a list as a whole, and false and 0
// too, which MergeFrom would not see.
absl::Status Overlay(absl::string_view text, absl::string_view file, Message* config) {
  const std::unique_ptr<Message> said(config->New());
  RETURN_IF_ERROR(ParseYamlFile(text, file, said.get()));
  YamlPlaces places;
  std::vector<YamlError> errors;
  ParseYaml(text, YamlLimits{}, said.get(), &errors, &places);
  for (const auto& [path, place] : places) {
    if (!absl::StrContains(path, '[')) Forget(path, config);
  }
  config->MergeFrom(*said);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ConfigFiles(const std::string& path) {
  std::vector<std::string> files = {path};
  const std::string dir = absl::StrCat(absl::StripSuffix(path, ".yaml"), ".d");
  const auto names = ListDirectory(dir);
  if (absl::IsNotFound(names.status())) return files;
  RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    if (name[0] != '.' && absl::EndsWith(name, ".yaml"))
      files.push_back(absl::StrCat(dir, "/", name));
  }
  return files;
}

absl::Status ReadConfigFiles(const std::string& path, Message* config) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, ConfigFiles(path));
  config->Clear();
  for (const std::string& file : files) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxBytes));
    RETURN_IF_ERROR(Overlay(text, file, config));
  }
  return absl::OkStatus();
}

absl::Status ResolveCredential(std::string* path) {
  if (!absl::StartsWith(*path, kCredential)) return absl::OkStatus();
  const char* dir = std::getenv("CREDENTIALS_DIRECTORY");
  if (dir == nullptr || dir[0] != '/') {
    return absl::FailedPreconditionError(
        absl::StrCat(*path, ": systemd gave no credentials; the unit needs LoadCredential="));
  }
  const std::string name(absl::StripPrefix(*path, kCredential));
  if (absl::StrContains(name, '/')) {
    return absl::InvalidArgumentError(absl::StrCat(*path, ": a credential's name has no '/'"));
  }
  *path = name.empty() ? std::string(dir) : absl::StrCat(dir, "/", name);
  return absl::OkStatus();
}

}  // namespace cairn
