// An event as a policy's tests write it: {type: file.open, file: {path: /etc/shadow}, …}.
#ifndef CAIRN_POLICY_SAMPLE_H_
#define CAIRN_POLICY_SAMPLE_H_

#include <string>
#include <vector>

#include "base/yaml.h"
#include "policy/event.h"
#include "proto/options.pb.h"

namespace cairn::policy {

struct Sample {
  Record record;
  Process process;
};

// Fills `sample` by the names of the field table. What is not given is 0 or empty; auid is
// unset, and the other user ids are as uid. Errors have the place in the file.
void ReadSample(const YamlNode& node, Sample* sample, std::vector<YamlError>* errors);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_SAMPLE_H_
