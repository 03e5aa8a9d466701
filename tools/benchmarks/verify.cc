// How fast `cairn verify` reads: bytes of segments a second, on one thread and on all, beside raw
// SHA-256 of the same minute on as many (in-process, and what `openssl speed` says). And how much
// memory it takes as logs grow.
//
//   bench_verify                     the speeds
//   bench_verify --records N...      the peak memory (VmHWM) for logs of so many records
#include <openssl/evp.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ledger/ledger.h"
#include "ledger/verifier.h"

namespace cairn::ledger {
namespace {

constexpr int kRounds = 5;
constexpr char kOrigin[] = "bench.example/h/00000000-0000-4000-8000-000000000001/1";

double Now() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// MB a second over 16 KiB pieces, as `openssl speed -evp sha256 -bytes 16384` measures it, of all
// threads together.
double Sha256Speed(int threads) {
  constexpr int kCalls = 20000;
  const auto hash = [] {
    const std::string data(16384, 'x');
    unsigned char digest[32];
    const EVP_MD* const sha256 = EVP_sha256();
    for (int i = 0; i < kCalls; ++i) {
      EVP_Digest(data.data(), data.size(), digest, nullptr, sha256, nullptr);
    }
  };
  const double start = Now();
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(hash);
  hash();
  for (std::thread& other : others) other.join();
  return threads * kCalls * 16384.0 / (Now() - start) / 1e6;
}

struct Case {
  const char* name;
  int per_block;  // records
  bool compress;
  uint64_t segments;
  uint64_t segment_bytes;
  uint64_t records = 0;  // not 0: so many, all alike
};

// Writes that many segments or records; returns the key to verify them with.
VerifierKey MakeLog(const Case& what, const std::string& dir) {
  LedgerOptions options;
  options.dir = dir;
  options.origin = kOrigin;
  options.limits.compress = what.compress;
  options.limits.block_bytes = 60 << 10;
  options.limits.segment_bytes = what.segment_bytes;
  SigningKey key = SigningKey::Generate();
  const VerifierKey verifier{.name = kOrigin, .public_key = key.public_key()};
  auto opened = Ledger::Open(std::move(options), std::move(key));
  if (!opened.ok()) std::exit(1);
  Ledger& ledger = **opened;
  Subject subject;
  subject.process.set_pid(1000);
  subject.process.set_exe("/usr/bin/bench");
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  uint64_t noise = 1;
  std::string* path = record.mutable_file()->mutable_path();
  for (uint64_t i = 0; what.records > 0 ? i < what.records : ledger.stats().epoch < what.segments;
       ++i) {
    path->assign("/srv/data/");
    while (what.records == 0 && path->size() < 250) {
      noise = noise * 6364136223846793005u + 1442695040888963407u;
      absl::StrAppend(path, absl::Hex(noise >> 40), "/data/");
    }
    const Entry entry{.time_ns = i, .record = &record, .subject = &subject};
    if (!ledger.Append(entry).ok()) std::exit(1);
    if (i % static_cast<uint64_t>(what.per_block) == 0 && what.per_block > 0) ledger.Flush();
    if (i % 256 == 0) ledger.Tick();
  }
  if (!ledger.Close("stop").ok()) std::exit(1);
  return verifier;
}

// MB a second, and the report.
double Verify(const std::string& dir, const VerifierKey& key, int threads, Report* report) {
  VerifyOptions options;
  options.key = key;
  options.threads = threads;
  const double start = Now();
  *report = VerifyLog(dir, options);
  const double took = Now() - start;
  if (report->verdict != Verdict::kOk) std::exit(1);
  return static_cast<double>(report->bytes) / took / 1e6;
}

void Run(const Case& what, const std::string& dir) {
  const VerifierKey key = MakeLog(what, dir);
  const int all = static_cast<int>(std::thread::hardware_concurrency());
  std::vector<double> sha;
  std::vector<double> one;
  std::vector<double> many;
  std::vector<double> one_of_sha;
  std::vector<double> many_of_sha;
  Report report;
  Verify(dir, key, all, &report);  // into the page cache
  for (int round = 0; round < kRounds; ++round) {
    sha.push_back(Sha256Speed(1));
    one.push_back(Verify(dir, key, 1, &report));
    one_of_sha.push_back(one.back() / sha.back());
    const double sha_many = Sha256Speed(all);
    many.push_back(Verify(dir, key, all, &report));
    many_of_sha.push_back(many.back() / sha_many);
  }
  std::filesystem::remove_all(dir);
  std::printf(
      "%-24s %3zu x %4.0f MiB %9zu records  SHA-256 %5.0f MB/s  1 thread %5.0f = %3.0f %%  "
      "%d threads %5.0f = %3.0f %% of SHA-256 on as many\n",
      what.name, static_cast<size_t>(report.segments),
      static_cast<double>(report.bytes) / static_cast<double>(report.segments) / (1 << 20),
      static_cast<size_t>(report.records), Median(sha), Median(one), 100 * Median(one_of_sha), all,
      Median(many), 100 * Median(many_of_sha));
  std::fflush(stdout);
}

// In a process of its own, which has done nothing else.
void PrintPeakMemory(const std::string& dir, const std::string& vkey) {
  const auto key = VerifierKey::Parse(vkey);
  if (!key.ok()) std::exit(1);
  Report report;
  const double speed =
      Verify(dir, *key, static_cast<int>(std::thread::hardware_concurrency()), &report);
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line) && !absl::StartsWith(line, "VmHWM:")) continue;
  std::printf("%11zu records %3zu segments %6.0f MB at %5.0f MB/s  %s\n",
              static_cast<size_t>(report.records), static_cast<size_t>(report.segments),
              static_cast<double>(report.bytes) / 1e6, speed, line.c_str());
}

void RunMemory(uint64_t records, const std::string& dir) {
  const VerifierKey key = MakeLog({"alike, compressed", 1 << 30, true, 0, 64 << 20, records}, dir);
  const std::string vkey = key.ToString();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/proc/self/exe", "bench_verify", "--verify", dir.c_str(), vkey.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) std::exit(1);
  std::filesystem::remove_all(dir);
}

void RunSpeeds(const std::string& dir) {
  std::fflush(stdout);
  if (std::system("openssl speed -evp sha256 -bytes 16384 -seconds 1 2>/dev/null | tail -n 1") !=
      0) {
    std::puts("openssl speed: not to be had");
  }
  const Case cases[] = {{"blocks of 60 KiB", 1 << 30, false, 4, 64 << 20},
                        {"the same, compressed", 1 << 30, true, 4, 64 << 20},
                        {"one record a block", 1, false, 2, 64 << 20}};
  for (const Case& what : cases) Run(what, dir);
}

}  // namespace

int Main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "--verify" && argc == 4) {
    PrintPeakMemory(argv[2], argv[3]);
    return 0;
  }
  if ((!mode.empty() && mode != "--records") || (mode == "--records" && argc == 2)) {
    std::fputs("usage: bench_verify [--records N...]\n", stderr);
    return 5;
  }
  const char* base = std::getenv("TMPDIR");
  std::string dir = absl::StrCat(base != nullptr ? base : "/tmp", "/cairn-bench-XXXXXX");
  if (::mkdtemp(dir.data()) == nullptr) return 1;
  if (mode.empty()) RunSpeeds(dir + "/log");
  for (int i = 2; i < argc; ++i) {
    uint64_t records = 0;
    if (!absl::SimpleAtoi(argv[i], &records) || records == 0) return 5;
    RunMemory(records, dir + "/log");
  }
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace cairn::ledger

int main(int argc, char** argv) { return cairn::ledger::Main(argc, argv); }
