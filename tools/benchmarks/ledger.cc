// What the append path costs: ns per record for append + hash + tag + write, beside SHA-256 in
// the same run, on one core. It is CPU time of the appending thread: fdatasync and signatures are
// the committing thread's, which is waited for between batches, outside the time.
#include "ledger/ledger.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::ledger {
namespace {

constexpr int kRounds = 30;
constexpr size_t kBatchBytes = 4 << 20;  // of records, between two waits
constexpr int kSingles = 20'000;         // records a batch, alone in their blocks
constexpr int kDrain = 1000;             // records between two Ticks: a millisecond of a flood

double CpuNs() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Bytes per ns of SHA-256 over 16 KiB, as `openssl speed -evp sha256 -bytes 16384` measures it.
double Sha256Speed() {
  const std::string data(16384, 'x');
  unsigned char digest[32];
  const EVP_MD* const sha256 = EVP_sha256();
  constexpr int kCalls = 500;
  const double start = CpuNs();
  for (int i = 0; i < kCalls; ++i) {
    EVP_Digest(data.data(), data.size(), digest, nullptr, sha256, nullptr);
  }
  return kCalls * 16384.0 / (CpuNs() - start);
}

// Bytes per ns that write(2) takes, in pieces as the ledger's, into a file of `dir`.
double WriteSpeed(const std::string& dir) {
  const std::string path = absl::StrCat(dir, "/write");
  const std::string piece(256 << 10, 'x');
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const double start = CpuNs();
  for (size_t written = 0; written < kBatchBytes; written += piece.size()) {
    if (::write(file, piece.data(), piece.size()) < 0) std::exit(1);
  }
  const double took = CpuNs() - start;
  ::close(file);
  ::unlink(path.c_str());
  return static_cast<double>(kBatchBytes) / took;
}

// A record whose stored form is `bytes` long.
Record RecordOf(size_t bytes) {
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  record.set_source(SOURCE_EBPF);
  std::string* path = record.mutable_file()->mutable_path();
  // Position, process and rule add 9 bytes to the record's own.
  while (record.ByteSizeLong() + 9 < bytes)
    path->push_back(static_cast<char>('a' + path->size() % 26));
  return record;
}

struct Case {
  const char* name;
  size_t record_bytes;
  int per_block;
  bool compress;
};

struct Figures {
  std::vector<double> ns;      // per record
  std::vector<double> ratios;  // bytes of records per ns, to those of SHA-256 just before
  double stored = 0;           // bytes per record
};

std::unique_ptr<Ledger> Open(const Case& what, const std::string& dir) {
  LedgerOptions options;
  options.dir = dir;
  options.origin = "bench.example/h/00000000-0000-4000-8000-000000000001/1";
  options.limits.compress = what.compress;
  options.limits.block_bytes = 65000;
  auto opened = Ledger::Open(std::move(options), SigningKey::Generate());
  if (!opened.ok()) {
    std::fprintf(stderr, "bench: %s\n", opened.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(opened);
}

// Until all is durable. What is left to write then was not in the batch's time: less than the
// 256 KiB that the ledger writes at once, one part in 16.
void Settle(Ledger* ledger) {
  while (ledger->stats().durable_size < ledger->stats().size) {
    ledger->Tick();
    ::usleep(200);
  }
}

Figures Run(const Case& what, const std::string& dir) {
  const std::unique_ptr<Ledger> ledger = Open(what, dir);
  Subject subject;
  subject.process.set_pid(1000);
  subject.process.set_exe("/usr/bin/bench");
  const Record record = RecordOf(what.record_bytes);
  const std::string rule = "bench";
  const std::string* rules[] = {&rule};
  Entry entry;
  entry.record = &record;
  entry.subject = &subject;
  entry.rules = rules;
  const bool alone = what.per_block == 1;
  const int records = alone ? kSingles : static_cast<int>(kBatchBytes / what.record_bytes);
  const int drain = alone ? 1 : kDrain;
  Figures figures;
  for (int round = -1; round < kRounds; ++round) {  // the first one warms up
    const double sha = Sha256Speed();
    const uint64_t stored = ledger->stats().stored_bytes;
    const double start = CpuNs();
    for (int i = 1; i <= records; ++i) {
      ++entry.time_ns;
      if (!ledger->Append(entry).ok()) std::exit(1);
      if (i % what.per_block == 0) ledger->Flush();
      if (i % drain == 0) ledger->Tick();
    }
    const double each = (CpuNs() - start) / records;
    ledger->Flush();
    Settle(ledger.get());
    figures.stored = static_cast<double>(ledger->stats().stored_bytes - stored) / records;
    if (round < 0) continue;
    figures.ns.push_back(each);
    figures.ratios.push_back(static_cast<double>(what.record_bytes) / each / sha);
  }
  if (!ledger->Close("stop").ok()) std::exit(1);
  return figures;
}

void Print(const Case& what, const std::string& dir) {
  const std::string log = absl::StrCat(dir, "/log");
  const Figures figures = Run(what, log);
  std::filesystem::remove_all(log);
  const double ns = Median(figures.ns);
  std::printf("%-34s %6.0f ns/record %6.2f GB/s of records = %3.0f %% of SHA-256 %6.1f B stored\n",
              what.name, ns, static_cast<double>(what.record_bytes) / ns,
              100 * Median(figures.ratios), figures.stored);
}

int Main(absl::string_view only) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  std::string dir =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/cairn-bench-XXXXXX");
  if (::mkdtemp(dir.data()) == nullptr) return 1;
  std::vector<double> sha;
  std::vector<double> write;
  for (int i = 0; i < kRounds; ++i) {
    sha.push_back(Sha256Speed());
    write.push_back(WriteSpeed(dir));
  }
  std::printf("SHA-256 of 16 KiB: %.2f GB/s (medians of %d rounds, ns of CPU)\n", Median(sha),
              kRounds);
  const double both = 1 / (1 / Median(sha) + 1 / Median(write));
  std::printf("write(2) alone: %.2f GB/s; it and SHA-256 of the same bytes: %.2f GB/s = %.0f %%\n",
              Median(write), both, 100 * both / Median(sha));
  const Case cases[] = {
      {"64 B, alone in its block", 64, 1, false},
      {"300 B, alone in its block", 300, 1, false},
      {"64 B, 200 to a block", 64, 200, false},
      {"300 B, 200 to a block", 300, 200, false},
      {"64 B, 200 to a compressed block", 64, 200, true},
      {"300 B, 200 to a compressed block", 300, 200, true},
  };
  for (const Case& what : cases) {
    if (absl::StrContains(what.name, only)) Print(what, dir);
  }
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace cairn::ledger

// An argument names the cases to run: those whose name holds it.
int main(int argc, char** argv) { return cairn::ledger::Main(argc > 1 ? argv[1] : ""); }
