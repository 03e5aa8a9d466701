// cairn key: the identity of a host's log.
#include "ledger/key.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/control_frame.h"
#include "base/host.h"
#include "base/io.h"
#include "base/secret.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/logs.h"
#include "ledger/hpke.h"
#include "ledger/note.h"
#include "ledger/tpm.h"
#include "proto/control.pb.h"

namespace cairn::cli {
namespace {

constexpr int kRotateTimeoutMs = 30000;

absl::StatusOr<std::string> KeysDir(const Arguments& arguments, const config::AgentConfig& config) {
  return arguments.Get("--keys", config.keys().dir());
}

// The TPM of --tpm or keys.tpm; null: none.
absl::StatusOr<std::unique_ptr<ledger::Tpm>> TpmOf(const Arguments& arguments,
                                                   const config::AgentConfig& config) {
  const std::string tcti = arguments.Get("--tpm", config.keys().tpm());
  if (tcti.empty()) return nullptr;
  return ledger::Tpm::Open(tcti);
}

// The vkey of this host's log: of its newest incarnation, or of the first when none exists.
absl::StatusOr<std::string> LogVkey(const Arguments& arguments, const config::AgentConfig& config,
                                    const std::string& keys_dir) {
  ASSIGN_OR_RETURN(const std::string uuid, LoadHostUuid(keys_dir));
  ASSIGN_OR_RETURN(const std::unique_ptr<ledger::Tpm> tpm, TpmOf(arguments, config));
  ASSIGN_OR_RETURN(const ledger::SigningKey key,
                   ledger::SigningKey::Load(absl::StrCat(keys_dir, "/", kLogKeyName), tpm.get()));
  const auto newest = NewestIncarnation(config.log().dir());
  const ledger::VerifierKey vkey = {LogOrigin(arguments.Get("--deployment", config.deployment()),
                                              uuid, absl::StrCat(newest.ok() ? *newest : 1)),
                                    ledger::SignatureType::kEd25519, key.public_key()};
  return vkey.ToString();
}

absl::Status Init(const std::string& keys_dir, ledger::Tpm* tpm) {
  ForbidDumps();
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), keys_dir, 0700));
  // The key last: a directory with a key is complete.
  const auto uuid = LoadHostUuid(keys_dir);
  if (absl::IsNotFound(uuid.status())) {
    RETURN_IF_ERROR(WriteFileDurably(Io::Real(), keys_dir, std::string(kHostUuidName),
                                     MakeUuid() + "\n", 0644));
  } else {
    RETURN_IF_ERROR(uuid.status());
  }
  return ledger::SigningKey::Generate().Save(absl::StrCat(keys_dir, "/", kLogKeyName), tpm);
}

// What the key's line says of the deployment, cairnd's configuration says as well; with --keys it
// is another agent's key.
absl::Status NameDeployment(const Arguments& arguments, const config::AgentConfig& config) {
  const std::string deployment = arguments.Get("--deployment", config.deployment());
  if (deployment == config.deployment() || arguments.Has("--keys")) return absl::OkStatus();
  return WriteAgentDropIn(
      arguments, "10-deployment.yaml",
      absl::StrCat("# Made by `cairn key init`.\ndeployment: ", deployment, "\n"));
}

int RunKey(const Arguments& arguments, bool init) {
  const auto config = AgentConfigOf(arguments);
  if (!config.ok()) return Fail(kBadPolicy, config.status().message());
  const auto keys_dir = KeysDir(arguments, *config);
  if (init) {
    const auto tpm = TpmOf(arguments, *config);
    if (!tpm.ok()) return Fail(tpm.status());
    const absl::Status made = Init(*keys_dir, tpm->get());
    if (absl::IsAlreadyExists(made)) {
      return Fail(kFailed, absl::StrCat(*keys_dir,
                                        ": this host has a key already, and a key is never "
                                        "overwritten; `cairn key show` prints its public half"));
    }
    if (!made.ok()) return Fail(made);
    const absl::Status named = NameDeployment(arguments, *config);
    if (!named.ok()) return Fail(named);
  }
  const auto vkey = LogVkey(arguments, *config, *keys_dir);
  if (absl::IsNotFound(vkey.status())) {
    return Fail(kBadInput, absl::StrCat(*keys_dir, ": no key; `cairn key init` makes one"));
  }
  if (!vkey.ok()) return Fail(vkey.status());
  std::puts(vkey->c_str());
  if (init && ::isatty(STDERR_FILENO) == 1) {
    std::fputs(
        "Keep this line where an attacker of this host cannot change it: whoever holds it\n"
        "can check the log. Collectors and auditors put it into trusted.vkeys.\n",
        stderr);
  }
  return kOk;
}

int RunInit(const Arguments& arguments) { return RunKey(arguments, true); }
int RunShow(const Arguments& arguments) { return RunKey(arguments, false); }

// Makes the key that takes over, unless one waits already.
absl::Status MakeNextKey(const std::string& keys_dir, ledger::Tpm* tpm) {
  const std::string path = absl::StrCat(keys_dir, "/", kLogKeyName);
  RETURN_IF_ERROR(ledger::SigningKey::Load(path, tpm).status());
  const absl::Status made =
      ledger::SigningKey::Generate().Save(absl::StrCat(path, kNextKeySuffix), tpm);
  return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
}

int RunRotate(const Arguments& arguments) {
  const auto config = AgentConfigOf(arguments);
  if (!config.ok()) return Fail(kBadPolicy, config.status().message());
  const auto keys_dir = KeysDir(arguments, *config);
  ForbidDumps();
  const auto tpm = TpmOf(arguments, *config);
  if (!tpm.ok()) return Fail(tpm.status());
  const absl::Status made = MakeNextKey(*keys_dir, tpm->get());
  if (absl::IsNotFound(made)) {
    return Fail(kBadInput, absl::StrCat(*keys_dir, ": no key; `cairn key init` makes one"));
  }
  if (!made.ok()) return Fail(made);
  control::Request request;
  request.set_verb(control::Request::ROTATE_KEY);
  const auto answer = CallControl(arguments.Get("--socket", config->control().socket()),
                                  request.SerializeAsString(), kRotateTimeoutMs);
  if (absl::IsUnavailable(answer.status()) || absl::IsNotFound(answer.status())) {
    return Fail(kUnreachable, absl::StrCat(answer.status().message(),
                                           "; the new key takes over when cairnd starts"));
  }
  if (!answer.ok()) return Fail(answer.status());
  control::Reply reply;
  if (!reply.ParseFromString(*answer)) return Fail(kFailed, "cairnd's answer is none");
  if (!reply.error().empty()) return Fail(kFailed, reply.error());
  const auto vkey = LogVkey(arguments, *config, *keys_dir);
  if (!vkey.ok()) return Fail(vkey.status());
  std::puts(vkey->c_str());
  return kOk;
}

// An auditor's key pair. The agent seals each epoch's tag key to its public half.
int RunRecipient(const Arguments& arguments) {
  const std::string& path = arguments.words()[0];
  ForbidDumps();
  absl::StatusOr<Secret32> key = ledger::LoadSecret(path);
  if (absl::IsNotFound(key.status())) {
    key = Secret32::Random();
    const absl::Status saved = ledger::SaveSecret(*key, path);
    if (!saved.ok()) return Fail(saved);
  }
  if (!key.ok()) return Fail(key.status());
  std::puts(absl::BytesToHexString(ledger::X25519PublicKey(*key)).c_str());
  return kOk;
}

}  // namespace

std::vector<Command> KeyCommands() {
  const std::vector<Option> options = {
      {"--keys", "DIR", "where the keys are (keys.dir of agent.yaml)"},
      {"--tpm", "TCTI", "the TPM that the key is sealed to (keys.tpm of agent.yaml)"},
      {"--deployment", "NAME", "the log's deployment (deployment of agent.yaml)"},
      kConfigOption,
  };
  Command init;
  init.name = "key init";
  init.summary = "Make this host's log key and uuid, and print the verifier key";
  init.details =
      "Writes log.key (0600, never overwritten) and host.uuid, once for each host. The line it\n"
      "prints is what verifiers pin. With a TPM the key's file is of use on this machine alone.";
  init.options = options;
  init.run = RunInit;
  Command show;
  show.name = "key show";
  show.summary = "Print the verifier key of this host's log";
  show.options = options;
  show.run = RunShow;
  Command rotate;
  rotate.name = "key rotate";
  rotate.summary = "Replace the log's key: a new incarnation that the old key names";
  rotate.details =
      "Makes log.key.next and has cairnd end the log's incarnation and begin the next one under "
      "it\n"
      "(at once, or when it starts). A note by the old key names the new one: `cairn verify` "
      "follows\n"
      "it from a pinned old key, and collectors enrol the new key by it. Prints the new verifier "
      "key.";
  rotate.options = options;
  rotate.options.push_back({"--socket", "PATH", "cairnd's control socket (control.socket)"});
  rotate.run = RunRotate;
  Command recipient;
  recipient.name = "key recipient";
  recipient.arguments = "FILE";
  recipient.summary = "Make an auditor's key (unless FILE holds one) and print its public half";
  recipient.details =
      "The public half goes to log.recipients of agent.yaml. Keep FILE away from the hosts: with\n"
      "it `cairn verify --recipient-key FILE` checks that each block was tagged by the key of its\n"
      "time.";
  recipient.min_words = recipient.max_words = 1;
  recipient.run = RunRecipient;
  return {init, show, rotate, recipient};
}

}  // namespace cairn::cli
