// A policy file as it was read: its bytes, its message, where things stand in it.
#ifndef CAIRN_POLICY_SOURCE_H_
#define CAIRN_POLICY_SOURCE_H_

#include <string>
#include <vector>

#include "base/yaml.h"
#include "proto/policy.pb.h"

namespace cairn::policy {

struct Source {
  std::string name;  // as errors show it
  std::string text;
  PolicyFile file;
  YamlPlaces places;
  bool floor = false;
};

// One thing wrong: FILE:LINE:COLUMN: PATH: cause.
struct Problem {
  std::string file;
  YamlPlace place;
  std::string cause;

  std::string ToString() const;
};

// Reads `text` strictly and checks what one file alone can tell. What is wrong is added to
// `problems`; the source then holds the parts that are right.
Source ReadSource(std::string name, std::string text, std::vector<Problem>* problems);

// The place of `path` ("rules[2].when"), or of what encloses it.
YamlPlace PlaceOf(const Source& source, absl::string_view path);

// SHA-256 over the names' last parts, lengths and bytes, and the environment. 32 bytes.
std::string DigestOf(const std::vector<Source>& sources, absl::string_view environment);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_SOURCE_H_
