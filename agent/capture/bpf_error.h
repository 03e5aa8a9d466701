// Why the kernel refused a BPF object, in libbpf's words.
#ifndef CAIRN_AGENT_CAPTURE_BPF_ERROR_H_
#define CAIRN_AGENT_CAPTURE_BPF_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn::capture {

// From now on libbpf prints nothing, and its first warning is kept. libbpf's messages are the
// process's: one thread.
void ListenToLibbpf();

// That warning, which says most; empty: there was none since ListenToLibbpf.
const std::string& LibbpfSaid();

// `error` is an errno, of either sign; `what` failed.
absl::Status BpfError(int error, absl::string_view what);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_BPF_ERROR_H_
