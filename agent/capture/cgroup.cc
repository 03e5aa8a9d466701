#include "agent/capture/cgroup.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace cairn::capture {
namespace {

bool IsId(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

bool IsUnit(absl::string_view name) {
  for (const char* suffix : {".service", ".scope", ".socket", ".mount", ".swap"}) {
    if (absl::EndsWith(name, suffix)) return true;
  }
  return false;
}

struct Scheme {
  const char* prefix;
  const char* runtime;
};
constexpr Scheme kSchemes[] = {
    {"docker-", "docker"},
    {"cri-containerd-", "containerd"},
    {"cri-containerd:", "containerd"},
    {"libpod-", "podman"},
    {"crio-", "cri-o"},
    {"containerd-", "containerd"},
    {"nerdctl-", "containerd"},
};

// "docker-<id>.scope", "cri-containerd-<id>", …
bool ParsePrefixed(absl::string_view name, CgroupNames* names) {
  absl::string_view bare = absl::StripSuffix(name, ".scope");
  for (const Scheme& scheme : kSchemes) {
    absl::string_view id = bare;
    if (absl::ConsumePrefix(&id, scheme.prefix) && IsId(id)) {
      names->container_id = id;
      names->runtime = scheme.runtime;
      return true;
    }
  }
  if (absl::StartsWith(name, "machine-") && absl::EndsWith(name, ".scope")) {
    names->container_id = absl::StripSuffix(absl::StripPrefix(name, "machine-"), ".scope");
    names->runtime = "nspawn";
    return true;
  }
  absl::string_view lxc = name;
  if (absl::ConsumePrefix(&lxc, "lxc.payload.") && !lxc.empty()) {
    names->container_id = lxc;
    names->runtime = "lxc";
    return true;
  }
  // containerd with its own driver under systemd: "kubepods-….slice:cri-containerd:<id>"
  const size_t colon = name.rfind(':');
  if (colon != absl::string_view::npos && IsId(name.substr(colon + 1))) {
    names->container_id = name.substr(colon + 1);
    names->runtime = absl::StrContains(name, "crio") ? "cri-o" : "containerd";
    return true;
  }
  return false;
}

// A bare id; the directory above says whose.
bool ParseBare(absl::string_view name, absl::string_view above, CgroupNames* names) {
  if (!IsId(name)) return false;
  names->container_id = name;
  if (above == "docker") {
    names->runtime = "docker";
  } else if (above == "libpod" || above == "libpod_parent") {
    names->runtime = "podman";
  } else if (absl::StartsWith(above, "pod") || absl::StartsWith(above, "kubepods")) {
    names->runtime = "kubernetes";
  } else {
    names->runtime = "containerd";
  }
  return true;
}

}  // namespace

CgroupNames ParseCgroup(absl::string_view path) {
  CgroupNames names;
  absl::string_view above;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const absl::string_view name = path.substr(0, slash);
    path = slash == absl::string_view::npos ? absl::string_view() : path.substr(slash + 1);
    if (name.empty()) continue;
    if (!ParsePrefixed(name, &names)) ParseBare(name, above, &names);
    if (IsUnit(name)) names.unit = name;
    above = name;
  }
  return names;
}

}  // namespace cairn::capture
