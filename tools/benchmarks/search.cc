// The first page of a filtered search over many logs, warm and cold, and how fast records are
// exported. Arguments: GiB in all (default 10), directory for the logs (default: TMPDIR).
#include "ledger/search.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "collector/export/exporter.h"
#include "ledger/ledger.h"
#include "policy/event_json.h"
#include "policy/where.h"

namespace cairn {
namespace {

constexpr char kOrigin[] = "bench.example/h/00000000-0000-4000-8000-000000000001/1";
constexpr uint64_t kLogBytes = uint64_t{1} << 30;

double Now() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

// 1 GiB of acts by 32 processes on some 40,000 paths; one in a million is what is sought.
uint64_t WriteLog(const std::string& dir) {
  ledger::LedgerOptions options;
  options.dir = dir;
  options.origin = kOrigin;
  options.limits.compress = false;
  options.limits.block_bytes = 60000;
  auto opened = ledger::Ledger::Open(std::move(options), ledger::SigningKey::Generate());
  Must(opened.status());
  ledger::Ledger& ledger = **opened;
  std::vector<ledger::Subject> subjects(32);
  for (size_t i = 0; i < subjects.size(); ++i) {
    Process& process = subjects[i].process;
    process.set_pid(1000 + static_cast<uint32_t>(i));
    process.set_exe(absl::StrCat("/usr/bin/tool-", i % 9));
    process.set_comm("tool");
    process.set_user(absl::StrCat("user", i % 5));
    process.set_uid(1000 + static_cast<uint32_t>(i % 5));
    process.add_argv("tool");
    process.set_ppid(1);
  }
  const std::string rule = "category:file";
  const std::string* rules[] = {&rule};
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  record.set_source(SOURCE_EBPF);
  uint64_t count = 0;
  const double start = Now();
  while (ledger.stats().stored_bytes < kLogBytes) {
    const uint64_t n = count * 2654435761u;
    record.mutable_file()->set_path(
        count % 1000000 == 999999
            ? absl::StrCat("/etc/rare/", count)
            : absl::StrCat("/srv/data/", n % 200, "/some-file-name-", n / 200 % 200, ".dat"));
    const ledger::Entry entry{.time_ns = static_cast<uint64_t>(start * 1e9) + count * 5000,
                              .record = &record,
                              .subject = &subjects[n % 32],
                              .rules = rules};
    Must(ledger.Append(entry));
    if (++count % 512 == 0) ledger.Tick();
  }
  Must(ledger.Close("stop"));
  return count;
}

using Logs = std::vector<std::unique_ptr<ledger::LogIndex>>;

Logs OpenAll(const std::string& dir, int logs, const Secret32* key) {
  Logs all;
  for (int i = 0; i < logs; ++i) {
    all.push_back(std::make_unique<ledger::LogIndex>(absl::StrCat(dir, "/log", i),
                                                     absl::StrCat(dir, "/index", i), key));
    Must(all.back()->Refresh().status());
  }
  return all;
}

void Ask(const char* what, const Logs& logs, absl::string_view condition) {
  std::vector<ledger::LogIndex*> list;
  for (const auto& log : logs) list.push_back(log.get());
  ledger::SearchQuery query;
  auto where = policy::Where::Parse(condition);
  Must(where.status());
  where->Require(&query.terms);
  query.wants = [&](const ledger::LoggedRecord& logged) { return where->Holds(logged); };
  query.wants_details = true;
  query.show = [](const ledger::LoggedRecord& logged) {
    std::string json;
    policy::AppendEventJson(logged, &json);
    return json;
  };
  const double start = Now();
  const ledger::SearchAnswer answer = ledger::Search(list, query);
  std::printf("%-30s %-46s %7.3f s   %3zu found, %5zu chunks read, %6zu ruled out\n", what,
              std::string(condition).c_str(), Now() - start, answer.records.size(),
              static_cast<size_t>(answer.chunks_read),
              static_cast<size_t>(answer.chunks_ruled_out));
}

// Pages of all files out of the cache.
void Forget(const std::string& dir) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY);
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

void Export(const std::string& log, collector::ExportFormat format, const char* name) {
  auto sink = collector::OpenFileSink("/dev/null");
  Must(sink.status());
  auto exporter = collector::Exporter::Open({.log_dir = log, .format = format}, sink->get());
  Must(exporter.status());
  const double start = Now();
  Must((*exporter)->Poll().status());
  const double took = Now() - start;
  const auto records = static_cast<double>((*exporter)->records());
  std::printf("export %-5s %.0f records in %.1f s: %.0f records/s on one core\n", name, records,
              took, records / took);
}

int Main(int gib, std::string dir) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  absl::StrAppend(&dir, "/cairn-bench-XXXXXX");
  if (::mkdtemp(dir.data()) == nullptr) return 1;
  double start = Now();
  const uint64_t records = WriteLog(dir + "/log0");
  std::printf("wrote 1 GiB, %zu records, in %.1f s\n", static_cast<size_t>(records), Now() - start);
  const Secret32 key = Secret32::Random();
  start = Now();
  Ask("index made on the way", OpenAll(dir, 1, &key), "file.path == '/no/such/file'");
  std::printf("indexed 1 GiB in %.1f s\n", Now() - start);
  for (int i = 1; i < gib; ++i) {
    std::filesystem::copy(dir + "/log0", absl::StrCat(dir, "/log", i));
    std::filesystem::copy(dir + "/index0", absl::StrCat(dir, "/index", i));
  }
  const char* const asked[] = {"file.path.startsWith('/etc/rare/')", "file.path == '/no/such/file'",
                               "process.exe == '/usr/bin/tool-3'", "process.user == 'user2'"};
  for (const char* condition : asked) {
    Forget(dir);
    Ask("cold, indexes from disk", OpenAll(dir, gib, &key), condition);
  }
  const Logs warm = OpenAll(dir, gib, &key);
  Ask("(indexes loaded)", warm, asked[1]);
  for (const char* condition : asked) Ask("warm", warm, condition);
  Export(dir + "/log0", collector::ExportFormat::kOcsf, "ocsf");
  Export(dir + "/log0", collector::ExportFormat::kJson, "json");
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  int gib = 10;
  if (argc > 1 && !absl::SimpleAtoi(argv[1], &gib)) {
    std::fputs("usage: bench_search [GIB [DIR]]\n", stderr);
    return 5;
  }
  return cairn::Main(gib, argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string());
}
