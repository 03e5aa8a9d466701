#include "agent/reloader.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::agent {

Reloader::Reloader(Options options, const Parts& parts, policy::LoadResult first)
    : options_(std::move(options)),
      parts_(parts),
      current_(std::move(first)),
      errors_(current_.change.errors().begin(), current_.change.errors().end()),
      loader_(options_.load),
      watch_(options_.load.dir),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      last_seen_(current_.seen) {}

absl::StatusOr<std::unique_ptr<Reloader>> Reloader::Create(Options options, const Parts& parts,
                                                           policy::LoadResult first) {
  auto reloader = absl::WrapUnique(new Reloader(std::move(options), parts, std::move(first)));
  std::vector<int> fds = {reloader->loader_.wait_fd()};
  if (reloader->options_.watch) fds.push_back(reloader->watch_.wait_fd());
  for (const int fd : fds) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(reloader->epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return ErrnoStatus(errno, "watch for policy changes");
    }
  }
  return reloader;
}

void Reloader::Request(const Requester& requester) {
  ++requests_;
  if (loader_.busy() || pending_.has_value()) {
    next_ = requester;
  } else {
    Begin(requester);
  }
}

void Reloader::Begin(const Requester& requester) {
  serving_ = requests_;
  requester_ = requester;
  watch_.Forget();
  loader_.Start(current_.policy, current_.rung);
}

uint64_t Reloader::Poll(uint64_t now_ns) {
  if (options_.watch) watch_.Read(now_ns);
  if (auto result = loader_.Take()) Loaded(*std::move(result), now_ns);
  if (pending_.has_value() &&
      (now_ns >= pending_->deadline_ns || parts_.receipts->covered() >= pending_->size)) {
    TakeEffect();
  }
  if (pending_.has_value()) return pending_->deadline_ns;
  if (loader_.busy()) return UINT64_MAX;
  if (next_.has_value()) {
    Begin(*std::exchange(next_, std::nullopt));
  } else if (options_.watch && now_ns >= watch_.due_ns()) {
    Requester nobody;
    nobody.trigger = "inotify";
    Request(nobody);
  }
  return options_.watch ? watch_.due_ns() : UINT64_MAX;
}

void Reloader::Loaded(policy::LoadResult result, uint64_t now_ns) {
  const bool same = result.seen == last_seen_;
  last_seen_ = result.seen;
  if (same && requester_.trigger == "inotify") {  // SIGHUP came before, or a file was touched
    loads_ = serving_;
    return;
  }
  const bool changed = result.policy->digest() != current_.policy->digest();
  if (changed) TryKernelFilter(&result);
  const bool takes_effect = result.policy != current_.policy && changed;
  const bool rejected = result.rung != policy::Rung::kConfigured;
  errors_.assign(result.change.errors().begin(), result.change.errors().end());
  Record(&result, takes_effect ? generation_ + 1 : generation_);
  if (rejected) {
    LogError("policy in ", options_.load.dir, " rejected; ", policy::RungName(result.rung),
             " is in force");
    for (const std::string& error : errors_) LogError(error);
  }
  if (!takes_effect) {
    current_.rung = result.rung;
    loads_ = serving_;
    LogInfo("policy unchanged, generation ", generation_);
    return;
  }
  const absl::Status synced = parts_.ledger->Sync();
  if (!synced.ok()) LogError("policy change not durable yet: ", synced.message());
  const uint64_t size = parts_.ledger->stats().checkpoint_size;
  const uint64_t wait_ns = parts_.receipts->expected() ? options_.wait_ns : 0;
  pending_ = Pending{std::move(result), now_ns + wait_ns, size};
}

// The dry run: a policy whose filter the kernel does not take is refused. Until the new policy
// is in force the kernel passes what either wants, so that neither misses an event.
void Reloader::TryKernelFilter(policy::LoadResult* result) {
  policy::Wanted both = current_.policy->wanted();
  both.Add(result->policy->wanted());
  const absl::Status filtered = parts_.capture->SetWanted(
      both, policy::GuardsOf(*current_.policy).Union(policy::GuardsOf(*result->policy)));
  if (filtered.ok()) return;
  result->change.add_errors(absl::StrCat("kernel filter: ", std::string(filtered.message())));
  result->policy = current_.policy;
  result->rung = std::max(current_.rung, policy::Rung::kLastKnownGood);
  result->change.set_rung(std::string(policy::RungName(result->rung)));
}

void Reloader::Record(policy::LoadResult* result, uint64_t generation) {
  result->change.set_old_generation(generation_);
  result->change.set_new_generation(generation);
  for (Ancestor& ancestor : parts_.witness->TakeWriter()) {
    *result->change.add_writer() = std::move(ancestor);
  }
  Identify(&requester_);
  ledger::Subject* self = parts_.capture->FindProcess(static_cast<uint32_t>(::getpid()));
  parts_.recorder->TakeOwn(PolicyRecord(*result, requester_), self, true);
  if (result->rung > current_.rung) {
    parts_.recorder->TakeOwn(DegradedRecord(*result), self, true);
  }
}

// From the process table rather than /proc: one that asked may be gone by now. What process 1
// does, or a kill that it ran, was asked for by somebody else.
void Reloader::Identify(Requester* requester) const {
  if (requester->pid == 0) return;
  const ledger::Subject* asked = parts_.capture->FindProcess(requester->pid);
  if (asked != nullptr) {
    requester->exe = asked->process.exe();
    requester->auid = asked->process.auid();
  } else {
    ReadRequester(requester);
  }
  const bool by_init = requester->pid == 1 || (asked != nullptr && asked->process.ppid() == 1 &&
                                               requester->trigger == "SIGHUP");
  const auto client = by_init ? parts_.witness->LikelyClient(BootNs()) : std::nullopt;
  if (!client.has_value()) return;
  requester->pid = client->pid();
  requester->uid = client->uid();
  requester->auid = client->auid();
  requester->exe = client->exe();
  requester->inferred = true;
}

void Reloader::TakeEffect() {
  parts_.drain();
  parts_.recorder->TakeNotices(BootNs(), /*last=*/true);
  ++generation_;
  current_ = std::move(pending_->result);
  pending_.reset();
  loads_ = serving_;
  parts_.ledger->SetPolicy(generation_, current_.policy->digest());
  parts_.recorder->SetPolicy(current_.policy);
  const absl::Status filtered =
      parts_.capture->SetWanted(current_.policy->wanted(), policy::GuardsOf(*current_.policy));
  if (!filtered.ok())
    LogError("kernel filter (it passes more than is wanted): ", filtered.message());
  LogInfo("policy generation ", generation_, " in force");
}

}  // namespace cairn::agent
