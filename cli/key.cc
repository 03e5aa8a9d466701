// cairn key: the identity of a host's log.
#include "ledger/key.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/host.h"
#include "base/io.h"
#include "base/secret.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/logs.h"
#include "ledger/hpke.h"
#include "ledger/note.h"

namespace cairn::cli {
namespace {

absl::StatusOr<std::string> KeysDir(const Arguments& arguments, const config::AgentConfig& config) {
  return arguments.Get("--keys", config.keys().dir());
}

// The vkey of this host's log: of its newest incarnation, or of the first when none exists.
absl::StatusOr<std::string> LogVkey(const Arguments& arguments, const config::AgentConfig& config,
                                    const std::string& keys_dir) {
  ASSIGN_OR_RETURN(const std::string uuid, LoadHostUuid(keys_dir));
  ASSIGN_OR_RETURN(const ledger::SigningKey key,
                   ledger::SigningKey::Load(absl::StrCat(keys_dir, "/", kLogKeyName)));
  const auto newest = NewestIncarnation(config.log().dir());
  const ledger::VerifierKey vkey = {LogOrigin(arguments.Get("--deployment", config.deployment()),
                                              uuid, absl::StrCat(newest.ok() ? *newest : 1)),
                                    ledger::SignatureType::kEd25519, key.public_key()};
  return vkey.ToString();
}

absl::Status Init(const std::string& keys_dir) {
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
  return ledger::SigningKey::Generate().Save(absl::StrCat(keys_dir, "/", kLogKeyName));
}

int RunKey(const Arguments& arguments, bool init) {
  const auto config = AgentConfigOf(arguments);
  if (!config.ok()) return Fail(kBadPolicy, config.status().message());
  const auto keys_dir = KeysDir(arguments, *config);
  if (init) {
    const absl::Status made = Init(*keys_dir);
    if (absl::IsAlreadyExists(made)) {
      return Fail(kFailed, absl::StrCat(*keys_dir,
                                        ": this host has a key already, and a key is never "
                                        "overwritten; `cairn key show` prints its public half"));
    }
    if (!made.ok()) return Fail(made);
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
      {"--deployment", "NAME", "the log's deployment (deployment of agent.yaml)"},
      kConfigOption,
  };
  Command init;
  init.name = "key init";
  init.summary = "Make this host's log key and uuid, and print the verifier key";
  init.details =
      "Writes log.key (0600, never overwritten) and host.uuid, once for each host. The line it\n"
      "prints is what verifiers pin.";
  init.options = options;
  init.run = RunInit;
  Command show;
  show.name = "key show";
  show.summary = "Print the verifier key of this host's log";
  show.options = options;
  show.run = RunShow;
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
  return {init, show, recipient};
}

}  // namespace cairn::cli
