// A record as an event of the Open Cybersecurity Schema Framework, version 1.8.0, as one JSON
// object. docs/export.md has the table of classes. https://schema.ocsf.io/1.8.0
//
// `metadata.uid` is "<origin>#<sequence>": the same record has the same one for ever, so that
// whoever gets it twice can tell. `unmapped.attestation` has the fields of OCSF 1.9's development
// profile record_integrity (1.8.0 has no place for them): chain_uid is the origin, authority_uid
// the log key's name, fingerprint the block's Merkle leaf (SHA-256 over 0x00 and the block's stored
// bytes, so of the block and not of this JSON), prev_event the record before in the same log.
#ifndef CAIRN_POLICY_OCSF_H_
#define CAIRN_POLICY_OCSF_H_

#include <string>

#include "absl/strings/string_view.h"
#include "ledger/reader.h"

namespace cairn::policy {

// Appends the object, without a newline. `leaf`: 32 bytes, or empty where it is not at hand. Any
// thread.
void AppendOcsf(const ledger::LoggedRecord& logged, absl::string_view leaf, std::string* out);

// "<origin>#<sequence>".
std::string RecordId(const ledger::LoggedRecord& logged);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_OCSF_H_
