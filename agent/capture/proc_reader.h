// What /proc knows of a process that was there before we looked. proc(5).
#ifndef CAIRN_AGENT_CAPTURE_PROC_READER_H_
#define CAIRN_AGENT_CAPTURE_PROC_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// Reads DIR/PID into `process`, except ancestors, user name and generation; its start is that
// of stat's field 22, good to 10 ms. `cgroup` gets the control group's path. NotFound: no such
// process (any more).
absl::Status ReadProcess(const std::string& dir, uint32_t pid, Process* process,
                         std::string* cgroup);

// The process ids in DIR.
std::vector<uint32_t> ListProcesses(const std::string& dir);

// Parses the contents of PID/stat (start, tty) and PID/status (ids, capabilities); false when
// they are not of that form. Pure.
bool ParseProcStat(absl::string_view text, Process* process);
bool ParseProcStatus(absl::string_view text, Process* process);
// The path in PID/cgroup: of the unified hierarchy, or, where that is the root, of "pids" or
// "name=systemd".
absl::string_view ParseProcCgroup(absl::string_view text);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_PROC_READER_H_
