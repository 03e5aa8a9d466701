// What leaves a host in a support file.
#ifndef CAIRN_CLI_SUPPORT_H_
#define CAIRN_CLI_SUPPORT_H_

#include <string>

#include "cli/command.h"

namespace cairn::cli {

// Replaces keys, uuids, digests, tokens, URLs, addresses, users' homes and the name `host`.
std::string RedactForSupport(std::string text, const std::string& host);

Command SupportCommand();

}  // namespace cairn::cli

#endif  // CAIRN_CLI_SUPPORT_H_
