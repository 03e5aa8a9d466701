// Events that are the numbers of a call, and what was written below /proc/sys.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "agent/capture/decode.h"
#include "agent/capture/strings.h"
#include "base/escape.h"
#include "bpf/event_maps.h"

namespace cairn::capture {

// What our security module refused somebody (bpf/shield.bpf.c).
void Decoder::DecodeRefusal(const EventView& view, Record* record) {
  static constexpr const char* kObjects[] = {"object", "map", "program", "link"};
  const auto body = view.Body<event_args>();
  const uint64_t detail = body.args[1];
  Notice* notice = record->mutable_notice();
  notice->set_what("refused");
  switch (body.args[0]) {
    case REFUSED_SIGNAL:
      notice->set_detail(absl::StrCat("signal ", detail, " to the agent"));
      break;
    case REFUSED_PTRACE:
      notice->set_detail(
          absl::StrCat("ptrace of the agent, or its memory or descriptors, mode ", detail));
      break;
    case REFUSED_BPF:
      notice->set_detail(absl::StrCat("a descriptor of the agent's BPF ",
                                      kObjects[detail >> 32 & 3], " ", detail & 0xffffffff));
      break;
    default:
      notice->set_detail(absl::StrCat("a change of the agent's file ",
                                      EscapeBytes(view.strings[STRING_NAME].bytes)));
      break;
  }
  record->set_severity(SEVERITY_CRITICAL);
}

// What was written below /proc/sys, by its name in sysctl(8): "kernel.core_pattern".
void Decoder::DecodeSysctl(const EventView& view, Record* record) {
  Kernel* kernel = record->mutable_kernel();
  const std::string& path = record->file().path();
  const size_t sys = path.find("/sys/");
  if (sys == std::string::npos) return;
  kernel->mutable_name()->assign(path, sys + 5);
  for (char& c : *kernel->mutable_name()) c = c == '/' ? '.' : c == '.' ? '/' : c;
  SetBytes(view.strings[STRING_VALUE].bytes, kernel->mutable_value());
}

void Decoder::DecodeCall(const EventView& view, Record* record) {
  const auto body = view.Body<event_args>();
  const auto arg = [&](int i) { return static_cast<uint32_t>(body.args[i]); };
  record->set_ret(body.ret);
  switch (record->type()) {
    case KERNEL_BPF:
      record->mutable_kernel()->set_command(arg(0));
      record->mutable_kernel()->set_program_type(arg(1));
      SetBytes(view.strings[STRING_NAME].bytes, record->mutable_kernel()->mutable_name());
      break;
    case PROCESS_PTRACE:
      record->mutable_peer()->set_request(arg(0));
      record->mutable_peer()->set_pid(arg(1));
      break;
    case PROCESS_SIGNAL:
      record->mutable_peer()->set_pid(static_cast<int32_t>(arg(0)) > 0 ? arg(0) : 0);
      record->mutable_peer()->set_signal(view.header.call == CALL_TGKILL ? arg(2) : arg(1));
      break;
    case PROCESS_MEMORY_EXEC:
      record->mutable_memory()->set_address(view.header.call == CALL_MMAP && body.ret > 0
                                                ? static_cast<uint64_t>(body.ret)
                                                : body.args[0]);
      record->mutable_memory()->set_length(body.args[1]);
      record->mutable_memory()->set_protection(arg(2));
      if (view.header.call == CALL_MMAP) record->mutable_memory()->set_flags(arg(3));
      break;
    case AGENT_TAMPER_ATTEMPT:
      DecodeRefusal(view, record);
      break;
    case NS_UNSHARE:
      record->set_flags(body.args[0]);
      break;
    case NS_SETNS:
      record->set_flags(body.args[1]);
      break;
    case KERNEL_KEXEC:
      record->set_flags(view.header.call == CALL_KEXEC ? body.args[3] : body.args[2]);
      break;
    case KERNEL_CLOCK_SET: {
      record->mutable_kernel()->set_command(arg(0));
      record->set_flags(body.args[3]);
      char text[48];
      const int size =
          snprintf(text, sizeof(text), "%lld.%lld", static_cast<long long>(body.args[1]),
                   static_cast<long long>(body.args[2]));
      record->mutable_kernel()->mutable_value()->assign(text, static_cast<size_t>(size));
      break;
    }
    default:
      break;
  }
}

}  // namespace cairn::capture
