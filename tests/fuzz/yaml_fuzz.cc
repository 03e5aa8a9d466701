// Any bytes as a policy file: read or refused, never a crash, and no error without a place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/yaml.h"
#include "proto/policy.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  cairn::policy::PolicyFile file;
  std::vector<cairn::YamlError> errors;
  cairn::YamlPlaces places;
  cairn::ParseYaml(text, cairn::YamlLimits(), &file, &errors, &places);
  for (const cairn::YamlError& error : errors) {
    if (error.line < 1 || error.column < 1 || error.cause.empty()) std::abort();
  }
  for (int i = 0; i < file.rules_size(); ++i) {
    const auto place = places.find("rules[" + std::to_string(i) + "].when");
    if (place == places.end()) continue;
    const std::string& when = file.rules(i).when();
    cairn::PlaceInScalar(text, place->second, when, when.size() / 2);
  }
  return 0;
}
