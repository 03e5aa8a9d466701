// A YAML document as a tree, before any schema: the first half of base/yaml.h.
#ifndef CAIRN_BASE_YAML_TREE_H_
#define CAIRN_BASE_YAML_TREE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/yaml.h"

namespace cairn {

struct YamlTree {
  enum class Kind { kScalar, kList, kMap };
  Kind kind = Kind::kScalar;
  bool quoted = false;  // scalar: not plain
  YamlPlace place;
  std::string text;            // scalar
  std::vector<YamlTree> keys;  // map: scalars, one for each of `values`
  std::vector<YamlTree> values;
};

// False when `text` is no document that base/yaml.h accepts; `errors` says why. Any thread.
bool ReadYamlTree(absl::string_view text, const YamlLimits& limits, YamlTree* root,
                  std::vector<YamlError>* errors);

}  // namespace cairn

#endif  // CAIRN_BASE_YAML_TREE_H_
