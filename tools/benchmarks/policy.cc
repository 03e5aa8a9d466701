// What deciding costs beside rules that cannot match, and what compiling many rules costs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "absl/strings/str_cat.h"
#include "policy/compile.h"

namespace {

uint64_t allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace cairn::policy {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

// A third each: another event type, an indexed ==, an indexed in or prefix.
std::string Rules(int count) {
  std::string text = "schema: cairn.policy/v1\nrules:\n";
  for (int i = 0; i < count; ++i) {
    const std::string when =
        i % 4 == 0   ? "net.dst_port == 1"
        : i % 4 == 1 ? absl::StrCat("file.path == \"/opt/app/", i, "\" && process.uid == 0")
        : i % 4 == 2 ? absl::StrCat("process.exe in [\"/opt/a", i, "\", \"/opt/b", i, "\"]")
                     : absl::StrCat("file.path.startsWith(\"/srv/", i, "/\") && process.uid != 0");
    absl::StrAppend(&text, "  - {id: r", i, ", on: [", i % 4 == 0 ? "net.connect" : "file.open",
                    "], when: '", when, "'}\n");
  }
  return text;
}

struct Figures {
  double compile_s, decide_ns;
  double allocated;
};

Figures Measure(int count) {
  const std::string text = Rules(count);
  const auto start = Clock::now();
  std::vector<Problem> problems;
  std::vector<Source> sources = {ReadSource("bench.yaml", text, &problems)};
  CompileOptions options;
  options.own_paths = {"/etc/cairn/", "/var/lib/cairn/"};
  const auto policy = CompilePolicy(std::move(sources), options, &problems);
  const double compile_s = Seconds(start);
  if (policy == nullptr) {
    std::fprintf(stderr, "%s\n", problems[0].ToString().c_str());
    std::exit(1);
  }
  Record record;
  record.set_type(FILE_OPEN);
  record.mutable_file()->set_path("/usr/lib/x86_64-linux-gnu/libc.so.6");
  Process process;
  process.set_exe("/usr/bin/gcc");
  Decision decision;
  constexpr int kRounds = 2000000;
  double best = 1e9;
  uint64_t allocated = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    policy->Decide({1, &record, &process, 0}, &decision);
    const uint64_t before = allocations;
    const auto from = Clock::now();
    for (int i = 0; i < kRounds; ++i) policy->Decide({1, &record, &process, 0}, &decision);
    best = std::min(best, Seconds(from) * 1e9 / kRounds);
    allocated += allocations - before;
  }
  return {compile_s, best, static_cast<double>(allocated) / (5.0 * kRounds)};
}

}  // namespace
}  // namespace cairn::policy

int main() {
  double first = 0;
  std::printf("%8s %16s %14s %8s %18s\n", "rules", "read+compile", "ns/decision", "ratio",
              "allocs/decision");
  for (const int count : {10, 1000, 10000}) {
    const auto figures = cairn::policy::Measure(count);
    if (first == 0) first = figures.decide_ns;
    std::printf("%8d %14.3f s %14.1f %7.2fx %18.3f\n", count, figures.compile_s, figures.decide_ns,
                figures.decide_ns / first, figures.allocated);
  }
  return 0;
}
