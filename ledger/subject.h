// A process as the records of a log refer to it.
#ifndef CAIRN_LEDGER_SUBJECT_H_
#define CAIRN_LEDGER_SUBJECT_H_

#include <cstdint>

#include "proto/record.pb.h"

namespace cairn::ledger {

// One generation of a process, kept by the agent's process table for as long as it may be
// named in Append. After a change of `process` (exec, credentials) raise its generation and
// call Changed(). The other members belong to the ledger: they remember where it already
// stands, so that each block holds its identity once and each segment its details once.
// Capture thread only.
struct Subject {
  Process process;

  void Changed() { block = segment = 0; }

  uint64_t block = 0;    // serial of the block that `ref` is an index of; 0: none
  uint64_t segment = 0;  // serial of the segment that holds the details; 0: none
  uint32_t ref = 0;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_SUBJECT_H_
