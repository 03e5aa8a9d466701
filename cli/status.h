// What cairnd answers when it is asked how it is.
#ifndef CAIRN_CLI_STATUS_H_
#define CAIRN_CLI_STATUS_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "proto/control.pb.h"

namespace cairn::cli {

// Asks on the socket that `arguments` (--socket, --config) name. Unavailable: no daemon answers.
absl::StatusOr<control::Status> AskStatus(const Arguments& arguments);

// As `cairn status -o json` prints it.
std::string StatusJson(const control::Status& status);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_STATUS_H_
