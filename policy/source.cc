#include "policy/source.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"

namespace cairn::policy {

std::string Problem::ToString() const {
  if (place.line == 0) return absl::StrCat(file, ": ", cause);
  return absl::StrCat(file, ":", place.line, ":", place.column, ": ", cause);
}

Source ReadSource(std::string name, std::string text, std::vector<Problem>* problems) {
  Source source;
  source.name = std::move(name);
  source.text = std::move(text);
  std::vector<YamlError> errors;
  ParseYaml(source.text, YamlLimits(), &source.file, &errors, &source.places);
  for (YamlError& error : errors) {
    problems->push_back({source.name, {error.line, error.column}, std::move(error.cause)});
  }
  if (errors.empty() && source.file.schema() != "cairn.policy/v1") {
    problems->push_back({source.name, PlaceOf(source, "schema"),
                         "schema: must be cairn.policy/v1 (the first line of a policy file)"});
  }
  return source;
}

YamlPlace PlaceOf(const Source& source, absl::string_view path) {
  while (!path.empty()) {
    const auto found = source.places.find(std::string(path));
    if (found != source.places.end()) return found->second;
    const size_t end = path.find_last_of(".[");
    path = end == absl::string_view::npos ? "" : path.substr(0, end);
  }
  return {1, 1};
}

std::string DigestOf(const std::vector<Source>& sources, absl::string_view environment) {
  std::vector<std::string> parts;
  for (const Source& source : sources) {
    std::string part = source.name.substr(source.name.find_last_of('/') + 1);
    part.push_back('\0');
    PutU64(&part, source.text.size());
    parts.push_back(part + source.text);
  }
  std::sort(parts.begin(), parts.end());
  std::string all = absl::StrCat("cairn.policy/v1\n", environment);
  all.push_back('\0');
  for (const std::string& part : parts) all += part;
  std::string digest(32, '\0');
  EVP_Digest(all.data(), all.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

}  // namespace cairn::policy
