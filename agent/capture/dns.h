// The question of a DNS message. RFC 1035 §4.
#ifndef CAIRN_AGENT_CAPTURE_DNS_H_
#define CAIRN_AGENT_CAPTURE_DNS_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace cairn::capture {

// Reads the first question of `message`, cut or not: its name, labels joined by dots, into `name`
// (reused; <= 255 bytes, as they stand in the packet), its type, and whether this is an answer.
// False when it is no DNS message with a question. Pure; any thread.
bool ParseDnsQuestion(absl::string_view message, std::string* name, uint32_t* type, bool* response);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_DNS_H_
