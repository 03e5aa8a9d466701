// N virtual hosts against one collector on loopback, and what that cost. See tools/fleet.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/socket.h"
#include "base/status.h"
#include "collector/setup.h"
#include "tools/simulators/limits.h"
#include "tools/simulators/virtual_host.h"

namespace cairn::simulators {
namespace {

constexpr char kDeployment[] = "fleet.example";
constexpr size_t kComing = 16;  // hosts of a thread that may wait for their first word

struct Settings {
  int hosts = 100;
  int seconds = 20;
  double interval = 10;  // seconds between a host's bursts
  int records = 10;      // in a burst
  int bulk = 0;
  int threads = 2;
  std::string collectord;
  std::string hosts_dir;  // empty: beside the store
};

bool Parse(int argc, char** argv, Settings* settings) {
  const std::map<std::string, int*> numbers = {{"--hosts", &settings->hosts},
                                               {"--seconds", &settings->seconds},
                                               {"--records", &settings->records},
                                               {"--bulk", &settings->bulk},
                                               {"--threads", &settings->threads}};
  for (int i = 1; i + 1 < argc; i += 2) {
    const auto number = numbers.find(argv[i]);
    const absl::string_view value = argv[i + 1];
    if (number != numbers.end()) {
      if (!absl::SimpleAtoi(value, number->second) || *number->second < 0) return false;
    } else if (std::string(argv[i]) == "--interval") {
      if (!absl::SimpleAtod(value, &settings->interval)) return false;
    } else if (std::string(argv[i]) == "--collectord") {
      settings->collectord = std::string(value);
    } else if (std::string(argv[i]) == "--hosts-dir") {
      settings->hosts_dir = std::string(value);
    } else {
      return false;
    }
  }
  const bool bounded = settings->hosts >= 1 && settings->hosts <= 5000 && settings->seconds <= 600;
  return argc % 2 == 1 && bounded && !settings->collectord.empty();
}

// The collector as a process of its own, so that its memory can be told.
class Collector {
 public:
  absl::Status Start(const Settings& settings, const std::string& dir) {
    RETURN_IF_ERROR(
        collector::InitCollector({.dir = dir, .deployment = kDeployment, .hosts = {"127.0.0.1"}}));
    {
      ASSIGN_OR_RETURN(const Fd socket, Listen({"127.0.0.1", "0"}));
      ASSIGN_OR_RETURN(port_, ListeningPort(socket.get()));
    }
    ASSIGN_OR_RETURN(std::string config, ReadFile(dir + "/collector.yaml", 65536));
    config.replace(config.find("0.0.0.0:7443"), 12, absl::StrCat("127.0.0.1:", port_));
    std::ofstream(dir + "/collector.yaml") << config << "trust_on_first_use: true\n";
    pid_ = ::fork();
    if (pid_ == 0) {
      if (::freopen((dir + "/log.txt").c_str(), "w", stderr) == nullptr) ::_exit(126);
      ::execl(settings.collectord.c_str(), "cairn-collectord", "--config",
              (dir + "/collector.yaml").c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 100; ++i) {
      const absl::StatusOr<Fd> socket = StartConnect({"127.0.0.1", absl::StrCat(port_)});
      absl::SleepFor(absl::Milliseconds(50));
      if (socket.ok() && FinishConnect(socket->get()).ok()) return absl::OkStatus();
    }
    return absl::UnavailableError("the collector does not answer");
  }
  ~Collector() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  double ResidentMib() const {
    std::ifstream status(absl::StrCat("/proc/", pid_, "/status"));
    std::string key;
    while (status >> key) {
      double kib = 0;
      if (key == "VmRSS:" && status >> kib) return kib / 1024;
    }
    return 0;
  }
  double CpuSeconds() const {
    std::ifstream stat(absl::StrCat("/proc/", pid_, "/stat"));
    std::string word;
    double ticks = 0;
    for (int i = 1; stat >> word && i <= 15; ++i) {
      double value = 0;
      if (i >= 14 && absl::SimpleAtod(word, &value)) ticks += value;
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  int port() const { return port_; }

 private:
  pid_t pid_ = 0;
  int port_ = 0;
};

using Hosts = std::vector<std::unique_ptr<VirtualHost>>;

// One thread's share of the hosts until `until`, then until all is receipted.
class Shard {
 public:
  Shard(const Settings& settings, std::vector<VirtualHost*> hosts)
      : settings_(settings), hosts_(std::move(hosts)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  // Connects a few at a time, as hosts come up (each is new to the collector: directories, keys, a
  // first segment); then the load; then until all is receipted.
  absl::Status Run(int port) {
    for (size_t i = 0; i < hosts_.size(); ++i) {
      RETURN_IF_ERROR(hosts_[i]->Connect(port));
      RETURN_IF_ERROR(hosts_[i]->Exchange());
      Watch(i, EPOLL_CTL_ADD);
      connected_ = i + 1;
      RETURN_IF_ERROR(Round(false));
      while (i >= kComing && !hosts_[i - kComing]->welcomed()) RETURN_IF_ERROR(Round(false));
    }
    if (settings_.bulk == 0) RETURN_IF_ERROR(UntilReceipted());
    for (size_t i = 0; i < hosts_.size(); ++i) {
      hosts_[i]->ClearTimes();
      next_.push_back(absl::Now() + absl::Seconds(settings_.interval * static_cast<double>(i) /
                                                  static_cast<double>(hosts_.size())));
    }
    const absl::Time until = absl::Now() + absl::Seconds(settings_.seconds);
    while (settings_.bulk == 0 && absl::Now() < until) RETURN_IF_ERROR(Round(true));
    return UntilReceipted();
  }

 private:
  absl::Status UntilReceipted() {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (absl::Now() < give_up) {
      RETURN_IF_ERROR(Round(false));
      if (std::all_of(hosts_.begin(), hosts_.end(),
                      [](VirtualHost* host) { return host->all_receipted(); })) {
        return absl::OkStatus();
      }
    }
    return absl::DeadlineExceededError("not everything was receipted within a minute");
  }
  void Watch(size_t i, int operation) {
    epoll_event event{.events = EPOLLIN | (hosts_[i]->want_write() ? uint32_t{EPOLLOUT} : 0u),
                      .data = {.u64 = i}};
    ::epoll_ctl(epoll_.get(), operation, hosts_[i]->fd(), &event);
  }
  absl::Status Round(bool append) {
    epoll_event events[256];
    const int n = ::epoll_wait(epoll_.get(), events, 256, 1);
    for (int e = 0; e < n; ++e) {
      const size_t i = events[e].data.u64;
      RETURN_IF_ERROR(hosts_[i]->Exchange());
      Watch(i, EPOLL_CTL_MOD);
    }
    const absl::Time now = absl::Now();
    if (settings_.bulk > 0 || now < tick_) return absl::OkStatus();
    tick_ = now + absl::Milliseconds(1);
    const uint64_t now_ns = BootNs();
    for (size_t i = 0; i < connected_; ++i) {
      if (append && now >= next_[i]) {
        next_[i] = now + absl::Seconds(settings_.interval);
        hosts_[i]->Append(settings_.records, ++bursts_ % 20 == 0);
      }
      RETURN_IF_ERROR(hosts_[i]->Tick(now_ns));
      if (hosts_[i]->want_write()) Watch(i, EPOLL_CTL_MOD);
    }
    return absl::OkStatus();
  }

  const Settings& settings_;
  const std::vector<VirtualHost*> hosts_;
  const Fd epoll_;
  size_t connected_ = 0;
  std::vector<absl::Time> next_;
  absl::Time tick_;
  uint64_t bursts_ = 0;
};

void PrintTimes(const char* name, const std::vector<const shipper::Histogram*>& all) {
  shipper::Histogram sum;
  for (const shipper::Histogram* one : all) sum.Merge(*one);
  std::printf("%-28s p50 %8.2f ms   p99 %8.2f ms   max %8.2f ms   (%llu)\n", name,
              sum.Percentile(50), sum.Percentile(99), sum.max_ms(),
              static_cast<unsigned long long>(sum.count()));
}

void Print(const Settings& settings, const Hosts& hosts, const Collector& collector,
           const std::string& dir, double seconds) {
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t lost = 0;
  std::vector<const shipper::Histogram*> all;
  std::vector<const shipper::Histogram*> urgent;
  std::vector<const shipper::Histogram*> receipts;
  for (const auto& host : hosts) {
    records += settings.bulk > 0 ? host->written() : host->measured();
    bytes += host->bytes();
    if (!host->all_receipted()) ++lost;
    all.push_back(&host->exposure().all());
    urgent.push_back(&host->exposure().urgent());
    receipts.push_back(&host->receipt_times());
  }
  std::printf("hosts %d   records %llu   %.2f s   %.0f records/s   %.1f MB/s\n", settings.hosts,
              static_cast<unsigned long long>(records), seconds,
              static_cast<double>(records) / seconds, static_cast<double>(bytes) / seconds / 1e6);
  std::printf("store in %s, hosts' logs in %s\n", dir.c_str(),
              settings.hosts_dir.empty() ? "the same place" : settings.hosts_dir.c_str());
  std::printf("collector: %.0f MiB resident, %.2f CPU s\n", collector.ResidentMib(),
              collector.CpuSeconds());
  PrintTimes("checkpoint to receipt", receipts);
  if (settings.bulk == 0) {
    PrintTimes("exposure", all);
    PrintTimes("exposure, urgent", urgent);
  }
  const RawLimits raw = MeasureLimits(dir);
  std::printf(
      "raw: SHA-256 %.2f GB/s, AES-256-GCM %.2f GB/s, fdatasync p50 %.2f p99 %.2f ms, "
      "Ed25519 sign %.0f verify %.0f us\n",
      raw.sha256_gb_s, raw.aes_gcm_gb_s, raw.fdatasync_p50_ms, raw.fdatasync_p99_ms,
      raw.ed25519_sign_us, raw.ed25519_verify_us);
  std::printf("lost %llu\n", static_cast<unsigned long long>(lost));
}

absl::StatusOr<Hosts> Prepare(const Settings& settings, const std::string& dir,
                              const std::string& hosts_dir) {
  ASSIGN_OR_RETURN(const std::string ca, ReadFile(dir + "/collector/ca.crt", 65536));
  ASSIGN_OR_RETURN(const std::string key, ReadFile(dir + "/collector/ca.key", 65536));
  ASSIGN_OR_RETURN(const CertificateAuthority authority, CertificateAuthority::Load({ca, key}));
  Hosts hosts;
  for (int i = 0; i < settings.hosts; ++i) {
    hosts.push_back(std::make_unique<VirtualHost>(hosts_dir, kDeployment, i + 1));
    RETURN_IF_ERROR(hosts.back()->Prepare(authority, dir + "/collector/ca.crt"));
    hosts.back()->Append(settings.bulk, false);
    RETURN_IF_ERROR(settings.bulk > 0 ? hosts.back()->CloseLog() : hosts.back()->Sync());
  }
  return hosts;
}

absl::Status Run(const Settings& settings, const std::string& dir, const std::string& hosts_dir) {
  Collector collector;
  RETURN_IF_ERROR(collector.Start(settings, dir + "/collector"));
  ASSIGN_OR_RETURN(const Hosts hosts, Prepare(settings, dir, hosts_dir));
  std::fprintf(stderr, "%d hosts ready\n", settings.hosts);
  std::vector<std::vector<VirtualHost*>> shares(static_cast<size_t>(settings.threads));
  for (size_t i = 0; i < hosts.size(); ++i) shares[i % shares.size()].push_back(hosts[i].get());
  const absl::Time start = absl::Now();
  std::vector<absl::Status> ends(shares.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < shares.size(); ++i) {
    threads.emplace_back([&, i] { ends[i] = Shard(settings, shares[i]).Run(collector.port()); });
  }
  for (std::thread& thread : threads) thread.join();
  Print(settings, hosts, collector, dir,
        settings.bulk > 0 ? absl::ToDoubleSeconds(absl::Now() - start) : settings.seconds);
  for (const absl::Status& end : ends) RETURN_IF_ERROR(end);
  return absl::OkStatus();
}

}  // namespace
}  // namespace cairn::simulators

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  cairn::simulators::Settings settings;
  if (!cairn::simulators::Parse(argc, argv, &settings)) {
    std::fputs(
        "usage: tools/fleet [--hosts N] [--seconds S] [--interval S] [--records N] "
        "[--bulk N] [--threads N] [--hosts-dir DIR]\n",
        stderr);
    return 5;
  }
  const char* base = std::getenv("TMPDIR");
  std::string dir = absl::StrCat(base != nullptr ? base : "/tmp", "/cairn-fleet-XXXXXX");
  if (::mkdtemp(dir.data()) == nullptr) return 1;
  std::string hosts_dir = settings.hosts_dir.empty()
                              ? dir + "/hosts"
                              : absl::StrCat(settings.hosts_dir, "/cairn-fleet-XXXXXX");
  if (!settings.hosts_dir.empty() && ::mkdtemp(hosts_dir.data()) == nullptr) return 1;
  const absl::Status status = cairn::simulators::Run(settings, dir, hosts_dir);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
  std::filesystem::remove_all(hosts_dir, ignored);
  return status.ok() ? 0 : 1;
}
