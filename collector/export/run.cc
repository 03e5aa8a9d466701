#include "collector/export/run.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/status.h"
#include "collector/export/exporter.h"
#include "collector/origin.h"

namespace cairn::collector {
namespace {

constexpr char kUsage[] =
    "usage: cairn-collectord export --to WHERE [--store DIR] [--format ocsf|json] [--host UUID]\n"
    "                               [--state DIR] [--follow] [--stream NAME] [--prefix SUBJECT]\n"
    "                               [--create-replicas N]\n"
    "WHERE is - (stdout), a file, or nats://HOST:PORT[,nats://...]. Verified records alone are\n"
    "exported, each at least once; metadata.uid tells what came twice. See docs/export.md.\n";
enum ExitCode { kOk = 0, kFailed = 1, kTampered = 1, kUsageError = 5 };

constexpr absl::Duration kPollEvery = absl::Milliseconds(100);
constexpr absl::Duration kListEvery = absl::Seconds(2);
constexpr absl::Duration kBackoffMax = absl::Seconds(30);

struct Wanted {
  std::string store = "/var/lib/cairn-collector/store";
  std::string to;
  std::string state;
  std::string host;
  ExportFormat format = ExportFormat::kOcsf;
  bool follow = false;
  NatsOptions nats;
};

absl::StatusOr<std::unique_ptr<Sink>> OpenSink(const Wanted& wanted) {
  if (!absl::StartsWith(wanted.to, "nats://")) return OpenFileSink(wanted.to);
  NatsOptions options = wanted.nats;
  options.urls = wanted.to;
  return OpenNatsSink(options);
}

// Exports all logs of a store to one sink; what a tampered one still holds is left.
class Run {
 public:
  explicit Run(Wanted wanted) : wanted_(std::move(wanted)) {}

  // Unavailable: the sink; begin again.
  absl::StatusOr<bool> Round() {
    if (sink_ == nullptr) {
      ASSIGN_OR_RETURN(sink_, OpenSink(wanted_));
      exporters_.clear();
      listed_ = absl::InfinitePast();
    }
    if (absl::Now() - listed_ >= kListEvery) RETURN_IF_ERROR(List());
    bool any = false;
    for (auto it = exporters_.begin(); it != exporters_.end();) {
      const auto polled = it->second->Poll();
      if (absl::IsDataLoss(polled.status())) {
        LogError(it->first, ": ", polled.status().message(), "; nothing behind it is exported");
        tampered_.insert(it->first);
        it = exporters_.erase(it);
        continue;
      }
      if (!polled.ok()) {
        sink_.reset();
        return polled.status();
      }
      any = any || *polled;
      ++it;
    }
    return any;
  }

  bool tampered() const { return !tampered_.empty(); }

 private:
  absl::Status List() {
    listed_ = absl::Now();
    const auto names = [](const std::string& dir) {
      return ListDirectory(dir).value_or(std::vector<std::string>{});
    };
    for (const std::string& deployment : names(wanted_.store)) {
      for (const std::string& host : names(absl::StrCat(wanted_.store, "/", deployment))) {
        if (!IsHostUuid(host) || (!wanted_.host.empty() && host != wanted_.host)) continue;
        for (const std::string& incarnation :
             names(absl::StrCat(wanted_.store, "/", deployment, "/", host))) {
          RETURN_IF_ERROR(Add(absl::StrCat(deployment, "/", host, "/", incarnation)));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status Add(const std::string& log) {
    if (exporters_.contains(log) || tampered_.contains(log)) return absl::OkStatus();
    ExportOptions options{.log_dir = absl::StrCat(wanted_.store, "/", log),
                          .format = wanted_.format};
    if (!wanted_.state.empty()) {
      options.state_file =
          absl::StrCat(wanted_.state, "/", absl::StrReplaceAll(log, {{"/", "_"}}), ".state");
    }
    auto exporter = Exporter::Open(std::move(options), sink_.get());
    if (absl::IsNotFound(exporter.status())) return absl::OkStatus();  // not whole yet
    RETURN_IF_ERROR(exporter.status());
    exporters_[log] = *std::move(exporter);
    return absl::OkStatus();
  }

  const Wanted wanted_;
  std::unique_ptr<Sink> sink_;
  std::map<std::string, std::unique_ptr<Exporter>> exporters_;
  std::set<std::string> tampered_;
  absl::Time listed_ = absl::InfinitePast();
};

// False: not of that form.
bool ParseWanted(int argc, char** argv, Wanted* wanted) {
  for (int i = 1; i < argc; ++i) {
    const absl::string_view arg = argv[i];
    if (arg == "--follow") {
      wanted->follow = true;
      continue;
    }
    if (i + 1 >= argc) return false;
    const std::string value = argv[++i];
    if (arg == "--to") {
      wanted->to = value;
    } else if (arg == "--store") {
      wanted->store = std::string(absl::StripSuffix(value, "/"));
    } else if (arg == "--state") {
      wanted->state = value;
    } else if (arg == "--host") {
      wanted->host = value;
    } else if (arg == "--stream") {
      wanted->nats.stream = value;
    } else if (arg == "--prefix") {
      wanted->nats.prefix = value;
    } else if (arg == "--create-replicas") {
      if (!absl::SimpleAtoi(value, &wanted->nats.create_replicas)) return false;
    } else if (arg == "--format" && (value == "ocsf" || value == "json")) {
      wanted->format = value == "ocsf" ? ExportFormat::kOcsf : ExportFormat::kJson;
    } else {
      return false;
    }
  }
  return !wanted->to.empty();
}

// A signal that was asked for, within `wait`.
bool Stopped(const sigset_t& signals, absl::Duration wait) {
  const timespec time = absl::ToTimespec(wait);
  return ::sigtimedwait(&signals, nullptr, &time) > 0;
}

}  // namespace

int ExportCommand(int argc, char** argv) {
  Wanted wanted;
  if (!ParseWanted(argc, argv, &wanted)) {
    std::fputs(kUsage, stderr);
    return kUsageError;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const bool follow = wanted.follow;
  Run run(std::move(wanted));
  absl::Duration backoff = kPollEvery;
  Notify("READY=1");
  for (;;) {
    const auto round = run.Round();
    if (!round.ok() && (!follow || !absl::IsUnavailable(round.status()))) {
      LogError("export: ", round.status().message());
      return kFailed;
    }
    if (!round.ok()) LogWarning("export: ", round.status().message(), "; trying again");
    if (round.ok() && !follow) return run.tampered() ? kTampered : kOk;
    backoff = round.ok() ? kPollEvery : std::min(2 * backoff, kBackoffMax);
    if (Stopped(signals, backoff)) return kOk;
  }
}

}  // namespace cairn::collector
