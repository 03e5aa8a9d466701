#include "collector/console/store_view.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/origin.h"

namespace cairn::collector {
namespace {

constexpr absl::Duration kRefreshEvery = absl::Milliseconds(100);
constexpr absl::Duration kListEvery = absl::Seconds(1);
constexpr size_t kMaxLogs = 65536;
constexpr size_t kMaxProblems = 100;
constexpr size_t kLoadedIndexes = 512;  // some 300 KiB each

bool IsDirectory(const std::string& path) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

}  // namespace

StoreView::StoreView(std::string store, std::string dir)
    : store_(std::move(store)), dir_(std::move(dir)) {}

absl::StatusOr<std::unique_ptr<StoreView>> StoreView::Open(std::string store, std::string dir) {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir, 0700));
  auto view = absl::WrapUnique(new StoreView(std::move(store), std::move(dir)));
  ASSIGN_OR_RETURN(view->key_, ledger::LoadIndexKey(view->dir_));
  view->Refresh();
  view->tender_ = std::thread([view = view.get()] { view->Tend(); });
  return view;
}

StoreView::~StoreView() {
  stop_ = true;
  if (tender_.joinable()) tender_.join();
}

// <store>/<deployment>/<host uuid>/<incarnation>
void StoreView::List() {
  std::map<std::string, std::shared_ptr<LogView>> now;
  const auto names = [](const std::string& dir) {
    return ListDirectory(dir).value_or(std::vector<std::string>{});
  };
  for (const std::string& deployment : names(store_)) {
    for (const std::string& host : names(absl::StrCat(store_, "/", deployment))) {
      if (!IsHostUuid(host)) continue;
      const std::string logs = absl::StrCat(store_, "/", deployment, "/", host);
      for (const std::string& incarnation : names(logs)) {
        const std::string dir = absl::StrCat(logs, "/", incarnation);
        if (now.size() >= kMaxLogs || !IsDirectory(dir)) continue;
        const auto known = logs_.find(dir);
        if (known != logs_.end()) {
          now[dir] = known->second;
          continue;
        }
        auto log = std::make_shared<LogView>();
        *log = {deployment, host, incarnation,
                std::make_unique<ledger::LogIndex>(
                    dir, absl::StrCat(dir_, "/", deployment, "/", host, "/", incarnation), &key_)};
        now[dir] = std::move(log);
      }
    }
  }
  logs_ = std::move(now);
}

void StoreView::Refresh() {
  std::vector<std::shared_ptr<LogView>> logs;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (now - refreshed_ < kRefreshEvery) return;
    refreshed_ = now;
    if (now - listed_ >= kListEvery) {
      List();
      listed_ = now;
    }
    for (const auto& [dir, log] : logs_) logs.push_back(log);
  }
  for (const auto& log : logs) {
    const auto grew = log->index->Refresh();
    if (grew.ok() || absl::IsNotFound(grew.status())) continue;
    const absl::MutexLock lock(&mutex_);
    if (problems_.size() < kMaxProblems) problems_.emplace_back(grew.status().message());
  }
}

std::vector<std::shared_ptr<LogView>> StoreView::Logs(const Rights& rights,
                                                      absl::string_view host) {
  std::vector<std::shared_ptr<LogView>> logs;
  const absl::MutexLock lock(&mutex_);
  for (const auto& [dir, log] : logs_) {
    if (rights.SeesHost(log->host) && (host.empty() || log->host == host)) logs.push_back(log);
  }
  return logs;
}

std::shared_ptr<LogView> StoreView::Log(const Rights& rights, absl::string_view id) {
  for (const auto& log : Logs(rights, id.substr(0, id.find('/')))) {
    if (log->id() == id) return log;
  }
  return nullptr;
}

// Nothing waits for this thread: it runs when nobody else wants to.
void StoreView::Tend() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 19);
  while (!stop_) {
    Refresh();
    bool busy = false;
    Rights all;
    all.all_hosts = true;
    for (const auto& log : Logs(all, "")) {
      std::string wrong;
      const auto more = log->index->ConfirmOne(&wrong);
      busy = busy || (more.ok() && *more);
      log->index->Trim(kLoadedIndexes);
      if (!more.ok()) wrong = std::string(more.status().message());
      if (!wrong.empty()) {
        LogError("index: ", wrong);
        const absl::MutexLock lock(&mutex_);
        if (problems_.size() < kMaxProblems) problems_.push_back(wrong);
      }
      if (stop_) return;
    }
    for (int i = 0; i < 10 && !busy && !stop_; ++i) absl::SleepFor(absl::Milliseconds(100));
  }
}

ledger::IndexCounts StoreView::counts() {
  Rights all;
  all.all_hosts = true;
  ledger::IndexCounts sum;
  for (const auto& log : Logs(all, "")) {
    const ledger::IndexCounts one = log->index->counts();
    sum.segments += one.segments;
    sum.pending += one.pending;
    sum.confirmed += one.confirmed;
    sum.rebuilt += one.rebuilt;
  }
  return sum;
}

std::vector<std::string> StoreView::problems() {
  const absl::MutexLock lock(&mutex_);
  return problems_;
}

}  // namespace cairn::collector
