#include "agent/capture/kernel_features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mntent.h>

#include <string>

namespace cairn::capture {
namespace {

// Arguments of a tracepoint, its data pointer not counted; -1: no such tracepoint.
int TracepointArguments(const btf* kernel, const char* name) {
  const int id =
      btf__find_by_name_kind(kernel, (std::string("btf_trace_") + name).c_str(), BTF_KIND_TYPEDEF);
  if (id < 0) return -1;
  const btf_type* type = btf__type_by_id(kernel, btf__type_by_id(kernel, id)->type);
  if (type == nullptr || !btf_is_ptr(type)) return -1;
  type = btf__type_by_id(kernel, type->type);
  return type != nullptr && btf_is_func_proto(type) ? btf_vlen(type) - 1 : -1;
}

// Attaches a program that does nothing to a security hook: 0, or the errno that says why not.
int TrySecurityHook(const btf* kernel) {
  const int id = btf__find_by_name_kind(kernel, "security_path_unlink", BTF_KIND_FUNC);
  if (id < 0) return -id;
  const bpf_insn nothing[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT},
  };
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FENTRY,
              .attach_btf_id = static_cast<__u32>(id));
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_TRACING, "cairn_try", "GPL", nothing, 2, &options));
  if (!program.valid()) return errno;
  const Fd link(bpf_raw_tracepoint_open(nullptr, program.get()));
  return link.valid() ? 0 : errno;
}

}  // namespace

KernelFeatures ReadKernelFeatures() {
  KernelFeatures features;
  btf* kernel = btf__load_vmlinux_btf();  // megabytes: read once for all of this
  if (kernel == nullptr) return features;
  features.typed_reads = btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
  features.uring_submit_sqe = TracepointArguments(kernel, "io_uring_submit_sqe") >= 1;
  features.uring_submit_req = TracepointArguments(kernel, "io_uring_submit_req") >= 1;
  const int complete = TracepointArguments(kernel, "io_uring_complete");
  features.uring_complete = complete >= 3;
  features.complete_has_cqe = complete == 3;
  features.security_hooks_error = TrySecurityHook(kernel);
  btf__free(kernel);
  features.security_hooks = features.security_hooks_error == 0;
  return features;
}

Fd OpenRootCgroup() {
  FILE* mounts = setmntent("/proc/self/mounts", "re");
  if (mounts == nullptr) return Fd();
  Fd fd;
  while (const mntent* mount = getmntent(mounts)) {
    if (std::string(mount->mnt_type) != "cgroup2") continue;
    fd.Reset(open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.valid()) break;
  }
  endmntent(mounts);
  return fd;
}

}  // namespace cairn::capture
