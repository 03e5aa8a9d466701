// What an unwanted system call costs: with nothing attached, with an empty program on sys_exit,
// and with cairn's, which looks the call up and lets it go. Goal: cairn's at most 1.3 times empty.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <vector>

#include "agent/capture/bpf_source.h"
#include "base/fd.h"

namespace cairn::capture {
namespace {

constexpr int kCalls = 400'000;
constexpr int kRounds = 15;

double NsPerCall() {
  timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int i = 0; i < kCalls; ++i) syscall(SYS_getppid);
  clock_gettime(CLOCK_MONOTONIC, &end);
  return (static_cast<double>(end.tv_sec - start.tv_sec) * 1e9 +
          static_cast<double>(end.tv_nsec - start.tv_nsec)) /
         kCalls;
}

Fd LoadEmpty() {
  const int id = libbpf_find_vmlinux_btf_id("sys_exit", BPF_TRACE_RAW_TP);
  const bpf_insn nothing[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT},
  };
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP,
              .attach_btf_id = static_cast<__u32>(id));
  return Fd(
      bpf_prog_load(BPF_PROG_TYPE_TRACING, "empty", "GPL", nothing, std::size(nothing), &options));
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Run() {
  const Fd empty = LoadEmpty();
  std::vector<double> base, with_empty, with_cairn;
  policy::Wanted wanted;
  for (const EventType type : {FILE_OPEN, NET_CONNECT, FILE_DELETE, FILE_RENAME}) wanted.Add(type);
  for (int round = 0; round < kRounds; ++round) {
    base.push_back(NsPerCall());
    {
      const Fd link(bpf_raw_tracepoint_open(nullptr, empty.get()));
      if (!link.valid()) return 4;
      with_empty.push_back(NsPerCall());
    }
    auto source = BpfSource::Open({});
    if (!source.ok() || !(*source)->SetWanted(wanted).ok()) return 4;
    with_cairn.push_back(NsPerCall());
  }
  std::vector<double> ratios;
  ratios.reserve(kRounds);
  for (int i = 0; i < kRounds; ++i) {
    ratios.push_back((with_cairn[i] - base[i]) / std::max(with_empty[i] - base[i], 1.0));
  }
  printf("getppid            %6.1f ns\n", Median(base));
  printf("+ empty program    %6.1f ns\n", Median(with_empty) - Median(base));
  printf("+ cairn, unwanted  %6.1f ns\n", Median(with_cairn) - Median(base));
  printf("ratio              %6.2f     (goal <= 1.30)\n", Median(ratios));
  return Median(ratios) <= 1.3 ? 0 : 1;
}

}  // namespace
}  // namespace cairn::capture

int main() {
  if (geteuid() != 0) {
    fputs("bench_hook: root only: it loads BPF programs\n", stderr);
    return 4;
  }
  return cairn::capture::Run();
}
