// A configuration is a file and its drop-ins.
#ifndef CAIRN_BASE_CONFIG_FILES_H_
#define CAIRN_BASE_CONFIG_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace cairn {

// Reads PATH ("/etc/cairn/agent.yaml") and on top of it, in the order of their names, the drop-ins
// ("/etc/cairn/agent.d/*.yaml"), each <= 1 MiB and strict YAML (base/yaml.h). What a drop-in says
// replaces what was said before; a list replaces the whole list. InvalidArgument "FILE:LINE:COLUMN:
// cause"; an error in any file is an error of the whole.
absl::Status ReadConfigFiles(const std::string& path, google::protobuf::Message* config);

// PATH and its drop-ins, in the order they are read.
absl::StatusOr<std::vector<std::string>> ConfigFiles(const std::string& path);

// "credential:NAME" is the file that systemd put into $CREDENTIALS_DIRECTORY (systemd.exec(5),
// LoadCredential=), "credential:" that directory; any other text is a path as it stands.
// FailedPrecondition: a credential, but no such directory.
absl::Status ResolveCredential(std::string* path);

}  // namespace cairn

#endif  // CAIRN_BASE_CONFIG_FILES_H_
