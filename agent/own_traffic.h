// The shipper at its work: reading the log to ship it would be an event to ship, for ever.
#ifndef CAIRN_AGENT_OWN_TRAFFIC_H_
#define CAIRN_AGENT_OWN_TRAFFIC_H_

#include <string>

#include "agent/capture/capture.h"

namespace cairn::agent {

// Capture thread only.
class OwnTraffic {
 public:
  // `log_dir` of all incarnations. The shipper is the program cairn-shipper beside this one.
  explicit OwnTraffic(const std::string& log_dir);

  // True for the shipper opening and reading segments and writing receipts: file events of its
  // program, on the log directory and below it. What it does elsewhere is recorded as anybody's,
  // and so is whatever touches a segment otherwise.
  bool Is(const capture::Captured& captured) const;

 private:
  bool OnLog(const std::string& path) const;

  const std::string log_dir_;
  const std::string shipper_;  // path of the program
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_OWN_TRAFFIC_H_
