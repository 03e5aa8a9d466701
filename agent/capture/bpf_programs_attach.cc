// Which programs are attached, when, and that they stay so.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/bpf_error.h"
#include "agent/capture/bpf_programs.h"
#include "agent/capture/kernel_features.h"
#include "agent/capture/pins.h"
#include "base/log.h"
#include "base/status.h"
#include "bpf/cairn.skel.h"

namespace cairn::capture {
namespace {

enum class LinkState { kAttached, kDetached, kClosed };

// `id` 0: not known yet, and then set.
LinkState StateOf(const bpf_link* link, uint32_t* id) {
  bpf_link_info info = {};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &size) != 0) return LinkState::kClosed;
  if (*id == 0) *id = info.id;
  if (info.id != *id) return LinkState::kClosed;
  const bool detached = info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == 0;
  return detached ? LinkState::kDetached : LinkState::kAttached;
}

}  // namespace

BpfPrograms::Hooks BpfPrograms::SecurityHooks() {
  const auto& progs = object_->progs;
  auto& links = object_->links;
  return {{progs.see_unlink, &links.see_unlink},   {progs.see_rmdir, &links.see_rmdir},
          {progs.see_mkdir, &links.see_mkdir},     {progs.see_mknod, &links.see_mknod},
          {progs.see_symlink, &links.see_symlink}, {progs.see_chmod, &links.see_chmod},
          {progs.see_chown, &links.see_chown},     {progs.see_truncate, &links.see_truncate},
          {progs.see_link, &links.see_link},       {progs.see_rename, &links.see_rename}};
}

BpfPrograms::Hooks BpfPrograms::AlwaysHooks() {
  const auto& progs = object_->progs;
  auto& links = object_->links;
  return {
      {progs.process_exec, &links.process_exec},
      {progs.process_fork, &links.process_fork},
      {progs.process_exit, &links.process_exit},
      {progs.uring_submit_sqe, &links.uring_submit_sqe},
      {progs.uring_submit_req, &links.uring_submit_req},
      {progs.uring_complete, &links.uring_complete},
      {progs.sys_exit, &links.sys_exit},
  };
}

BpfPrograms::Hooks BpfPrograms::AllHooks() {
  Hooks hooks = AlwaysHooks();
  for (const auto& hook : SecurityHooks()) hooks.push_back(hook);
  const auto& progs = object_->progs;
  auto& links = object_->links;
  hooks.push_back({progs.enter_close, &links.enter_close});
  hooks.push_back({progs.dns_out, &links.dns_out});
  hooks.push_back({progs.dns_in, &links.dns_in});
  return hooks;
}

absl::Status BpfPrograms::Attach() { return AttachAll(AlwaysHooks()); }

absl::Status BpfPrograms::AttachAll(const Hooks& hooks) {
  for (const auto& [program, link] : hooks) {
    if (!bpf_program__autoload(program)) continue;
    RETURN_IF_ERROR(AttachWhile(true, program, false, link));
  }
  return absl::OkStatus();
}

absl::Status BpfPrograms::AttachWhile(bool wanted, bpf_program* program, bool to_cgroup,
                                      bpf_link** link) {
  if (wanted == (*link != nullptr)) return absl::OkStatus();
  uint32_t& id = link_ids_[program] = 0;
  if (!wanted) {
    if (pins_ != nullptr) unlink(pins_->Path(LinkName(program)).c_str());
    bpf_link__destroy(std::exchange(*link, nullptr));
    return absl::OkStatus();
  }
  *link =
      to_cgroup ? bpf_program__attach_cgroup(program, cgroup_.get()) : bpf_program__attach(program);
  if (*link == nullptr) {
    return BpfError(errno, absl::StrCat("attach ", bpf_program__name(program)));
  }
  (void)StateOf(*link, &id);
  return PinLink(program, *link);
}

absl::Status BpfPrograms::AttachWanted(bool close, bool dns) {
  const auto& progs = object_->progs;
  auto& links = object_->links;
  RETURN_IF_ERROR(AttachWhile(close, progs.enter_close, false, &links.enter_close));
  if (!bpf_program__autoload(progs.dns_out)) return absl::OkStatus();
  if (dns && !cgroup_.valid()) cgroup_ = OpenRootCgroup();
  if (dns && !cgroup_.valid()) {
    LogWarning("no unified control group hierarchy is mounted: no net.dns events");
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(AttachWhile(dns, progs.dns_out, true, &links.dns_out));
  return AttachWhile(dns, progs.dns_in, true, &links.dns_in);
}

void BpfPrograms::Detach() { cairn_bpf__detach(object_); }

std::string BpfPrograms::LinkName(const bpf_program* program) const {
  return absl::StrCat("link_", bpf_program__name(program), "_", generation_);
}

absl::Status BpfPrograms::PinLink(const bpf_program* program, bpf_link* link) const {
  if (pins_ == nullptr) return absl::OkStatus();
  const std::string path = pins_->Path(LinkName(program));
  const int error = bpf_link__pin(link, path.c_str());
  return error == 0 ? absl::OkStatus() : BpfError(error, absl::StrCat("pin ", path));
}

void BpfPrograms::RepairLinks(absl::FunctionRef<void(const std::string&)> sink) {
  const auto& progs = object_->progs;
  for (const auto& [program, link] : AllHooks()) {
    if (*link == nullptr) continue;
    const LinkState state = StateOf(*link, &link_ids_[program]);
    if (state == LinkState::kAttached) {
      if (pins_ != nullptr) pins_->Repair(LinkName(program), bpf_link__fd(*link), sink);
      continue;
    }
    // The number of a descriptor that was closed may be somebody else's by now: left alone.
    bpf_link* gone = std::exchange(*link, nullptr);
    if (pins_ != nullptr) unlink(pins_->Path(LinkName(program)).c_str());
    if (state == LinkState::kDetached) bpf_link__destroy(gone);
    const bool to_cgroup = program == progs.dns_out || program == progs.dns_in;
    const bool again = AttachWhile(true, program, to_cgroup, link).ok();
    sink(absl::StrCat("the link of ", bpf_program__name(program), " was ",
                      state == LinkState::kClosed ? "closed" : "detached",
                      again ? "; attached again" : ""));
  }
}

}  // namespace cairn::capture
