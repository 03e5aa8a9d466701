// Writes a Record as protobuf, faster than its generated code for the records that come by the
// million (file and process events).
#ifndef CAIRN_LEDGER_RECORD_ENCODER_H_
#define CAIRN_LEDGER_RECORD_ENCODER_H_

#include <cstddef>
#include <cstdint>

#include "proto/record.pb.h"

namespace cairn::ledger {

// At least as many bytes as Encode writes. Any thread.
size_t EncodedBound(const Record& record);

// Writes `record` without its fields 1 to 3 (which the ledger writes) at `to`, where
// EncodedBound bytes are free, and returns the end. Parsed, it is `record` again. EncodedBound
// of the same unchanged record must have been called before.
uint8_t* EncodeRecord(const Record& record, uint8_t* to);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_RECORD_ENCODER_H_
