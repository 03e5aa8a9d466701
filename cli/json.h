// JSON as the commands write it.
#ifndef CAIRN_CLI_JSON_H_
#define CAIRN_CLI_JSON_H_

#include "policy/json.h"

namespace cairn::cli {

using policy::JsonArray;
using policy::JsonObject;

}  // namespace cairn::cli

#endif  // CAIRN_CLI_JSON_H_
