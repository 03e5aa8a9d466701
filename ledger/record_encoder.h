// Writes a Record as protobuf, faster than its generated code for the records that come by the
// million (file and process events).
#ifndef CAIRN_LEDGER_RECORD_ENCODER_H_
#define CAIRN_LEDGER_RECORD_ENCODER_H_

#include <cstddef>
#include <cstdint>

#include "proto/record.pb.h"

namespace cairn::ledger {

// How a record will be written: worked out once, for both its room and its bytes.
struct EncodePlan {
  size_t bound;  // bytes: at least as many as EncodeRecord writes
  bool by_hand;  // only fields that we write ourselves
};

// Any thread.
EncodePlan PlanEncoding(const Record& record);

// Writes `record` without its fields 1 to 3 (which the ledger writes) at `to`, where `plan.bound`
// bytes are free, and returns the end. Parsed, it is `record` again. `plan` is of the same
// unchanged record.
uint8_t* EncodeRecord(const Record& record, const EncodePlan& plan, uint8_t* to);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_RECORD_ENCODER_H_
