#include "agent/reloader.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/clock.h"
#include "base/log.h"

namespace cairn::agent {

void Reloader::Request(const Requester& requester) {
  if (pending_.has_value()) {
    next_ = requester;  // of several, the last: it loads what is on disk then
    return;
  }
  Begin(requester);
}

void Reloader::Begin(const Requester& requester) {
  policy::LoadResult result = policy::LoadPolicy(options_, current_.policy);
  const bool rejected = result.rung != policy::Rung::kConfigured;
  errors_.assign(result.change.errors().begin(), result.change.errors().end());
  const bool changed = result.policy->digest() != current_.policy->digest();
  Record(&result, requester, changed ? generation_ + 1 : generation_);
  if (rejected) {
    LogError("policy in ", options_.dir, " rejected; ", policy::RungName(result.rung),
             " is in force");
    for (const std::string& error : errors_) LogError(error);
  }
  if (!changed) {
    current_.rung = result.rung;
    LogInfo("policy unchanged, generation ", generation_);
    return;
  }
  const absl::Status synced = parts_.ledger->Sync();
  if (!synced.ok()) LogError("policy change not durable yet: ", synced.message());
  const uint64_t size = parts_.ledger->stats().checkpoint_size;
  const uint64_t wait_ns = parts_.receipts->expected() ? wait_ns_ : 0;
  pending_ = Pending{std::move(result), BootNs() + wait_ns, size};
}

void Reloader::Record(policy::LoadResult* result, const Requester& requester, uint64_t generation) {
  result->change.set_old_generation(generation_);
  result->change.set_new_generation(generation);
  for (Ancestor& ancestor : parts_.writer->Take()) {
    *result->change.add_writer() = std::move(ancestor);
  }
  parts_.recorder->TakeOwn(PolicyRecord(*result, requester),
                           parts_.capture->FindProcess(static_cast<uint32_t>(::getpid())), true);
}

uint64_t Reloader::Poll(uint64_t now_ns) {
  if (!pending_.has_value()) return UINT64_MAX;
  if (now_ns < pending_->deadline_ns && parts_.receipts->covered() < pending_->size) {
    return pending_->deadline_ns;
  }
  TakeEffect();
  if (next_.has_value()) Begin(*std::exchange(next_, std::nullopt));
  return pending_.has_value() ? now_ns : UINT64_MAX;
}

// The kernel filter goes from the old policy over the union of both to the new one, so that
// neither misses an event.
void Reloader::TakeEffect() {
  policy::Wanted both = current_.policy->wanted();
  const policy::Wanted& next = pending_->result.policy->wanted();
  both.types |= next.types;
  both.env.insert(both.env.end(), next.env.begin(), next.env.end());
  both.exe_hash |= next.exe_hash;
  absl::Status filtered = parts_.capture->SetWanted(
      both, policy::GuardsOf(*current_.policy).Union(policy::GuardsOf(*pending_->result.policy)));
  do {
    parts_.capture->Drain([this](const capture::Captured& captured) {
      parts_.writer->See(captured);
      parts_.recorder->Take(captured);
    });
    parts_.ledger->Flush();
    (void)parts_.ledger->Tick();
    parts_.capture->Settle();
  } while (parts_.capture->more());
  parts_.recorder->TakeNotices(BootNs());
  ++generation_;
  current_ = std::move(pending_->result);
  pending_.reset();
  parts_.ledger->SetPolicy(generation_, current_.policy->digest());
  parts_.recorder->SetPolicy(current_.policy);
  if (filtered.ok())
    filtered =
        parts_.capture->SetWanted(current_.policy->wanted(), policy::GuardsOf(*current_.policy));
  if (!filtered.ok()) LogError("kernel filter: ", filtered.message());
  LogInfo("policy generation ", generation_, " in force");
}

}  // namespace cairn::agent
