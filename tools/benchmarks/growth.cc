// How cost grows: of an event with the rules that cannot match it, with the processes that live and
// with the events a second; of reading and proving with the size of the log. Prints tables, and
// draws docs/growth.svg, or the file that --svg names. Arguments: [--gib N] the largest log
// (default 10).
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/capture/process_table.h"
#include "base/clock.h"
#include "ledger/ledger.h"
#include "ledger/prove.h"
#include "ledger/reader.h"
#include "ledger/verifier.h"
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

namespace cairn {
namespace {

constexpr int kAttempts = 5;
constexpr char kOrigin[] = "bench.example/h/00000000-0000-4000-8000-000000000001/1";

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

ledger::SigningKey Key() {
  const uint8_t seed[32] = {1};
  return ledger::SigningKey::FromSeed(Secret32(seed));
}

double ProcessSeconds() { return static_cast<double>(ClockNs(CLOCK_PROCESS_CPUTIME_ID)) / 1e9; }

// ---- pictures ---------------------------------------------------------------------

// What a panel shows: y over x, both logarithmic.
struct Series {
  std::string title, x, y;
  std::vector<std::pair<double, double>> points;
};

std::string Panel(const Series& series, int left, int top) {
  constexpr int kWidth = 300, kHeight = 150;
  double low = 1e300, high = 0;
  for (const auto& [x, y] : series.points) low = std::min(low, y), high = std::max(high, y);
  // At least a factor of ten, so that what is flat looks flat.
  const double middle = std::sqrt(low * high);
  low = std::min(low, middle / std::sqrt(10)), high = std::max(high, middle * std::sqrt(10));
  const double first = std::log(series.points.front().first);
  const double last = std::log(series.points.back().first);
  std::string out = absl::StrFormat(
      "<g transform=\"translate(%d %d)\"><text y=\"-8\" font-weight=\"bold\">%s</text>"
      "<rect width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#ccc\"/>"
      "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#666\">%s</text>",
      left, top, series.title, kWidth, kHeight, kWidth, kHeight + 28, series.x);
  std::string line;
  for (const auto& [x, y] : series.points) {
    const double at = (std::log(x) - first) / std::max(last - first, 1e-9) * kWidth;
    const double height =
        kHeight - (std::log(y) - std::log(low)) / (std::log(high) - std::log(low)) * kHeight;
    absl::StrAppendFormat(&line, "%.1f,%.1f ", at, height);
    absl::StrAppendFormat(
        &out,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#4c78a8\"/>"
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.*f</text>"
        "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#666\">%g</text>",
        at, height, at, height < 20 ? height + 16 : height - 7, y < 10 ? 2 : 0, y, at, kHeight + 14,
        x);
  }
  absl::StrAppend(&out, "<polyline fill=\"none\" stroke=\"#4c78a8\" points=\"", line, "\"/>",
                  "<text x=\"4\" y=\"12\" fill=\"#666\">", series.y, "</text></g>\n");
  return out;
}

void Draw(const std::vector<Series>& all, const std::string& path) {
  const int rows = (static_cast<int>(all.size()) + 1) / 2;
  std::ofstream out(path);
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"" << rows * 220 + 20
      << "\" font-family=\"sans-serif\" font-size=\"11\">"
      << "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  for (size_t i = 0; i < all.size(); ++i) {
    out << Panel(all[i], 40 + static_cast<int>(i % 2) * 370, 40 + static_cast<int>(i / 2) * 220);
  }
  out << "</svg>\n";
}

// ---- rules ------------------------------------------------------------------------

// A quarter each: another event type, an indexed ==, an indexed in, an indexed prefix.
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

double Decide(int rules) {
  const std::string text = Rules(rules);
  const uint64_t start = MonotonicNs();
  std::vector<policy::Problem> problems;
  std::vector<policy::Source> sources = {policy::ReadSource("bench.yaml", text, &problems)};
  policy::CompileOptions options;
  options.own_paths = {"/etc/cairn/", "/var/lib/cairn/"};
  const auto compiled = policy::CompilePolicy(std::move(sources), options, &problems);
  if (compiled == nullptr) Fail(absl::InvalidArgumentError(problems[0].ToString()));
  const double compile_s = static_cast<double>(MonotonicNs() - start) / 1e9;
  Record record;
  record.set_type(FILE_OPEN);
  record.mutable_file()->set_path("/usr/lib/x86_64-linux-gnu/libc.so.6");
  Process process;
  process.set_exe("/usr/bin/gcc");
  policy::Decision decision;
  constexpr int kDecisions = 2'000'000;
  double best = 1e9;
  uint64_t allocated = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    compiled->Decide({1, &record, &process, 0}, &decision);
    const uint64_t before = allocations;
    const double from = ProcessSeconds();
    for (int i = 0; i < kDecisions; ++i) compiled->Decide({1, &record, &process, 0}, &decision);
    best = std::min(best, (ProcessSeconds() - from) * 1e9 / kDecisions);
    allocated += allocations - before;
  }
  std::printf("%10d %12.1f %16.3f %14.3f\n", rules, best, compile_s,
              static_cast<double>(allocated) / (double{kAttempts} * kDecisions));
  return best;
}

Series RulesSeries() {
  std::printf("%10s %12s %16s %14s\n", "rules", "ns/decision", "read+compile, s", "allocs/event");
  Series series{"a decision, with rules that cannot match", "rules", "ns", {}};
  for (const int count : {10, 100, 1000, 10000}) series.points.emplace_back(count, Decide(count));
  return series;
}

// ---- processes --------------------------------------------------------------------

template <typename T>
void Put(const T& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// The fork of process `pid`, as the kernel tells it.
std::string ForkOf(uint32_t pid) {
  event_header header = {};
  header.time_ns = 5'000'000'000;
  header.start_ns = 1;
  header.pid = header.tid = 1;
  header.type = PROCESS_FORK;
  header.layout = LAYOUT_TASK;
  event_task task = {};
  task.pid = pid;
  task.start_ns = 1000 + pid;
  task.ppid = 1;
  std::snprintf(task.comm, sizeof(task.comm), "sh");
  std::string bytes;
  Put(header, &bytes);
  Put(task, &bytes);
  return bytes;
}

double ResidentMib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == "VmRSS:" && status >> kib) break;
  }
  return kib / 1024;
}

// ns to find the process of an event among `live`.
double FindAmong(uint32_t live) {
  const double before = ResidentMib();
  capture::ProcessTable table({}, "/nonexistent");
  for (uint32_t pid = 2; pid < live + 1; ++pid) {
    const std::string bytes = ForkOf(pid);
    capture::EventView view;
    if (!capture::ParseEvent(bytes, &view)) Fail(absl::InternalError("no event"));
    table.Fork(view);
  }
  const double grown = ResidentMib() - before;
  event_header header = {};
  header.time_ns = 6'000'000'000;
  header.type = FILE_OPEN;
  constexpr uint32_t kEvents = 2'000'000;
  double best = 1e9;
  uint64_t found = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double from = ProcessSeconds();
    for (uint32_t i = 0; i < kEvents; ++i) {
      // As events come: some from one process, then from another.
      header.pid = header.tid = 2 + (i / 16 * 2654435761u) % std::max(live - 1, 1u);
      header.start_ns = 1000 + header.pid;
      found += table.Find(header) != nullptr;
    }
    best = std::min(best, (ProcessSeconds() - from) * 1e9 / kEvents);
  }
  if (found != uint64_t{kAttempts} * kEvents) Fail(absl::InternalError("a process is missing"));
  std::printf("%10u %12.1f %16.1f %14.0f\n", live, best, grown, grown * 1048576 / live);
  return best;
}

Series ProcessSeries() {
  std::printf("\n%10s %12s %16s %14s\n", "processes", "ns/event", "MiB grown", "bytes each");
  Series series{"the process of an event, found", "live processes", "ns", {}};
  for (const uint32_t live : {2u, 100u, 10'000u, 100'000u}) {
    series.points.emplace_back(live, FindAmong(live));
  }
  return series;
}

// ---- events a second --------------------------------------------------------------

std::unique_ptr<ledger::Ledger> OpenLedger(const std::string& dir, bool compress) {
  ledger::LedgerOptions options;
  options.dir = dir;
  options.origin = kOrigin;
  options.limits.compress = compress;
  auto opened = ledger::Ledger::Open(std::move(options), Key());
  if (!opened.ok()) Fail(opened.status());
  return *std::move(opened);
}

// One open of one of 8,000 files by one of 32 processes.
class Writer {
 public:
  Writer() : subjects_(32) {
    for (size_t i = 0; i < subjects_.size(); ++i) {
      Process& process = subjects_[i].process;
      process.set_pid(1000 + static_cast<uint32_t>(i));
      process.set_start_ns(i + 1);
      process.set_exe(absl::StrCat("/usr/bin/tool-", i % 9));
      process.add_argv("tool");
    }
    record_.set_type(FILE_OPEN);
    record_.set_ret(3);
    record_.set_source(SOURCE_EBPF);
  }
  void Append(ledger::Ledger* ledger) {
    const uint64_t n = ++count_ * 2654435761u;
    char path[64];
    std::snprintf(path, sizeof(path), "/srv/data/%02u/file-%03u.dat", static_cast<unsigned>(n % 40),
                  static_cast<unsigned>(n / 40 % 200));
    record_.mutable_file()->set_path(path);
    const ledger::Entry entry{
        .time_ns = BootNs(), .record = &record_, .subject = &subjects_[n % 32], .rules = rules_};
    if (const absl::Status status = ledger->Append(entry); !status.ok()) Fail(status);
  }

 private:
  std::vector<ledger::Subject> subjects_;
  Record record_;
  const std::string rule_ = "category:file";
  const std::string* rules_[1] = {&rule_};
  uint64_t count_ = 0;
};

// CPU of the whole process an event, at `rate` events a second, looked at each millisecond.
double AtRate(int rate, const std::string& dir) {
  const auto ledger = OpenLedger(absl::StrCat(dir, "/rate", rate), true);
  Writer writer;
  constexpr int kSeconds = 3;
  const uint64_t start = MonotonicNs();
  const double cpu = ProcessSeconds();
  uint64_t done = 0;
  for (uint64_t now = start; now - start < kSeconds * 1'000'000'000ull; now = MonotonicNs()) {
    const uint64_t due = (now - start) * static_cast<uint64_t>(rate) / 1'000'000'000;
    for (; done < due; ++done) {
      writer.Append(ledger.get());
      if (done % 512 == 511) ledger->Tick();
    }
    ledger->Flush();
    ledger->Tick();
    ::usleep(1000);
  }
  const double each = (ProcessSeconds() - cpu) * 1e9 / static_cast<double>(done);
  const double stored = static_cast<double>(ledger->stats().stored_bytes);
  std::printf("%10d %12.0f %16.0f %14.1f\n", rate, each, static_cast<double>(done) / kSeconds,
              stored / static_cast<double>(done));
  if (const absl::Status closed = ledger->Close("stop"); !closed.ok()) Fail(closed);
  return each;
}

Series RateSeries(const std::string& dir) {
  std::printf("\n%10s %12s %16s %14s\n", "events/s", "ns/event", "reached, /s", "bytes/event");
  Series series{"an event appended, sealed, written, committed", "events a second", "ns", {}};
  for (const int rate : {1'000, 10'000, 100'000, 1'000'000}) {
    series.points.emplace_back(rate, AtRate(rate, dir));
  }
  return series;
}

// ---- size of the log --------------------------------------------------------------

struct LogCosts {
  double verify_gb_s = 0, verify_mib = 0, seek_ms = 0, prove_ms = 0, prove_mib = 0;
};

// Runs `work` in a process of its own and returns the most memory it had.
double PeakMib(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  rusage usage = {};
  int status = 0;
  if (child < 0 || ::wait4(child, &status, 0, &usage) != child || status != 0) {
    Fail(absl::InternalError("a measurement did not end well"));
  }
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

LogCosts ReadLog(const std::string& dir, uint64_t bytes, uint64_t records, uint64_t last_wall_ns) {
  LogCosts costs;
  ledger::VerifyOptions options;
  options.key = ledger::VerifierKey{.name = kOrigin, .public_key = Key().public_key()};
  const uint64_t start = MonotonicNs();
  costs.verify_mib = PeakMib([&] {
    const ledger::Report report = ledger::VerifyLog(dir, options);
    if (report.verdict == ledger::Verdict::kTampered) ::_exit(1);
  });
  costs.verify_gb_s = static_cast<double>(bytes) / static_cast<double>(MonotonicNs() - start);
  const uint64_t asked = MonotonicNs();
  auto reader = ledger::LogReader::Open(dir);
  if (!reader.ok()) Fail(reader.status());
  (*reader)->SeekTime(last_wall_ns);
  ledger::LoggedRecord logged;
  const auto read = (*reader)->Next(&logged);
  if (!read.ok()) Fail(read.status());
  costs.seek_ms = static_cast<double>(MonotonicNs() - asked) / 1e6;
  const uint64_t prove = MonotonicNs();
  uint64_t proof_bytes = 0;
  const auto proof = ledger::ProveRecord(dir, records / 2, [&](uint64_t done, uint64_t) {
    proof_bytes = std::max(proof_bytes, done);
  });
  if (!proof.ok()) Fail(proof.status());
  costs.prove_ms = static_cast<double>(MonotonicNs() - prove) / 1e6;
  costs.prove_mib = static_cast<double>(proof_bytes) / 1048576;
  return costs;
}

void AddLogSeries(int gib, const std::string& dir, std::vector<Series>* all) {
  std::printf("\n%10s %12s %16s %14s %12s %12s\n", "log, MiB", "verify GB/s", "its MiB", "seek, ms",
              "prove, ms", "it read MiB");
  Series verify{"verification, all threads", "MiB of log", "GB/s", {}};
  Series memory{"memory of verification", "MiB of log", "MiB", {}};
  Series seek{"first record of the last second, by time", "MiB of log", "ms", {}};
  Series prove{"proof of one record", "MiB of log", "ms", {}};
  for (uint64_t mib = 1; mib <= static_cast<uint64_t>(gib) << 10; mib *= 10) {
    const std::string log = absl::StrCat(dir, "/log");
    uint64_t records = 0, bytes = 0;
    {
      const auto ledger = OpenLedger(log, false);
      Writer writer;
      while (ledger->stats().stored_bytes < mib << 20) {
        writer.Append(ledger.get());
        if (++records % 512 == 0) ledger->Tick();
      }
      bytes = ledger->stats().stored_bytes;
      if (const absl::Status closed = ledger->Close("stop"); !closed.ok()) Fail(closed);
    }
    const LogCosts costs = ReadLog(log, bytes, records, WallNs() - 1'000'000'000);
    std::printf("%10zu %12.2f %16.1f %14.1f %12.1f %12.1f\n", static_cast<size_t>(mib),
                costs.verify_gb_s, costs.verify_mib, costs.seek_ms, costs.prove_ms,
                costs.prove_mib);
    const auto x = static_cast<double>(mib);
    verify.points.emplace_back(x, costs.verify_gb_s);
    memory.points.emplace_back(x, costs.verify_mib);
    seek.points.emplace_back(x, costs.seek_ms);
    prove.points.emplace_back(x, costs.prove_ms);
    std::filesystem::remove_all(log);
  }
  all->insert(all->end(), {verify, memory, seek, prove});
}

int Main(int gib, const std::string& svg) {
  std::string dir = std::filesystem::temp_directory_path().string() + "/cairn-bench-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) Fail(absl::ErrnoToStatus(errno, dir));
  std::vector<Series> all = {RulesSeries(), ProcessSeries(), RateSeries(dir)};
  AddLogSeries(gib, dir, &all);
  std::filesystem::remove_all(dir);
  Draw(all, svg);
  std::printf("picture: %s\n", svg.c_str());
  return 0;
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  int gib = 10;
  std::string svg = "docs/growth.svg";
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    const bool known = i + 1 < argc && (option == "--gib" || option == "--svg");
    if (option == "--svg" && known) svg = argv[i + 1];
    if (!known || (option == "--gib" && (!absl::SimpleAtoi(argv[i + 1], &gib) || gib < 1))) {
      std::fputs("usage: bench_growth [--gib N] [--svg FILE]\n", stderr);
      return 5;
    }
  }
  return cairn::Main(gib, svg);
}
