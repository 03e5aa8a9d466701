// cairn policy bundle, sign.
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"
#include "cli/policy_files.h"
#include "ledger/key.h"
#include "ledger/note.h"
#include "policy/bundle.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxFile = 4 << 20;
constexpr size_t kMaxManifest = 256 << 10;

absl::StatusOr<policy::Manifest> Collect(const std::string& dir, uint64_t serial) {
  policy::Manifest manifest;
  manifest.serial = serial;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(dir));
  for (const std::string& name : names) {
    if (name[0] == '.' || !absl::EndsWith(name, ".yaml")) continue;
    ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat(dir, "/", name), kMaxFile));
    manifest.files[name] = policy::Sha256Of(text);
  }
  if (manifest.files.empty()) return absl::NotFoundError(absl::StrCat(dir, ": no *.yaml file"));
  return manifest;
}

int RunBundle(const Arguments& arguments) {
  const std::string& dir = arguments.words()[0];
  uint64_t serial = 0;
  if (!absl::SimpleAtoi(arguments.Get("--serial"), &serial) || serial == 0) {
    return Fail(kUsage, "--serial N: above 0, and higher than that of the bundle in force");
  }
  ReadPolicy read = ReadPolicyWords(arguments, {dir});
  if (read.policy != nullptr) policy::AddTestProblems(*read.policy, &read.problems);
  if (!read.problems.empty()) return PrintProblems(read);
  const auto manifest = Collect(dir, serial);
  if (!manifest.ok()) return Fail(manifest.status());
  const absl::Status written =
      WriteFileDurably(Io::Real(), dir, policy::kManifestName, manifest->ToText(), 0644);
  if (!written.ok()) return Fail(written);
  std::printf("%s/%s: serial %llu, %zu files; not signed yet (cairn policy sign)\n", dir.c_str(),
              policy::kManifestName, static_cast<unsigned long long>(serial),
              manifest->files.size());
  return kOk;
}

int RunSign(const Arguments& arguments) {
  const std::string& dir = arguments.words()[0];
  const std::string name = arguments.Get("--name");
  if (name.empty() || !arguments.Has("--key")) return Fail(kUsage, "--key FILE and --name NAME");
  const auto key = ledger::SigningKey::Load(arguments.Get("--key"));
  if (!key.ok()) return Fail(key.status());
  const std::string path = absl::StrCat(dir, "/", policy::kManifestName);
  const auto manifest = ReadFile(path, kMaxManifest);
  if (!manifest.ok()) return Fail(manifest.status());
  const auto signed_manifest = policy::SignManifest(*manifest, name, *key);
  if (!signed_manifest.ok()) return Fail(Annotate(signed_manifest.status(), path));
  const absl::Status written =
      WriteFileDurably(Io::Real(), dir, policy::kManifestName, *signed_manifest, 0644);
  if (!written.ok()) return Fail(written);
  const ledger::VerifierKey vkey = {name, ledger::SignatureType::kEd25519, key->public_key()};
  std::printf("%s\n", vkey.ToString().c_str());
  return kOk;
}

}  // namespace

std::vector<Command> PolicyBundleCommands() {
  Command bundle;
  bundle.name = "policy bundle";
  bundle.arguments = "DIR --serial N";
  bundle.summary = "Write the manifest of a directory of policy files";
  bundle.details =
      "DIR/MANIFEST lists every *.yaml with its SHA-256, and a serial that only rises: cairnd "
      "refuses a lower one, and the same one with other content.";
  bundle.options = {{"--serial", "N", "of this bundle"}, kEnvironmentOption};
  bundle.min_words = bundle.max_words = 1;
  bundle.run = RunBundle;
  Command sign;
  sign.name = "policy sign";
  sign.arguments = "DIR --key FILE --name NAME";
  sign.summary = "Sign a bundle's manifest";
  sign.details =
      "A C2SP signed note (c2sp.org/signed-note), Ed25519. Several may sign. Prints the verifier "
      "key, for policy.trusted_keys in agent.yaml.";
  sign.options = {{"--key", "FILE", "a private key, as `cairn key init` makes it"},
                  {"--name", "NAME", "the name of the key, as secops.example/alice"}};
  sign.min_words = sign.max_words = 1;
  sign.run = RunSign;
  return {bundle, sign};
}

}  // namespace cairn::cli
