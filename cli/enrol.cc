// cairn enrol: makes this host known to a collector.
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/certificate.h"
#include "base/host.h"
#include "base/io.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/tls.h"
#include "cli/command.h"
#include "cli/logs.h"
#include "ledger/key.h"
#include "ledger/note.h"
#include "proto/wire_call.h"

namespace cairn::cli {
namespace {

constexpr char kOut[] = "/etc/cairn/shipper";
constexpr char kShipperConfig[] = "/etc/cairn/shipper.yaml";
constexpr char kReceiptsDropIn[] = "20-collectors.yaml";
constexpr absl::Duration kTimeout = absl::Seconds(15);

// "cairn1.<secret, hexadecimal>.<SHA-256 of the collector's TLS key, hexadecimal>".
struct Token {
  std::string secret;
  std::string pin;  // 32 bytes

  static absl::StatusOr<Token> Parse(absl::string_view text) {
    const std::vector<std::string> parts = absl::StrSplit(text, '.');
    Token token;
    if (parts.size() == 3) token = {parts[1], absl::HexStringToBytes(parts[2])};
    if (parts.size() != 3 || parts[0] != "cairn1" || token.secret.empty() ||
        absl::BytesToHexString(token.pin) != parts[2] || token.pin.size() != 32) {
      return absl::InvalidArgumentError(
          "--token: not a token as `cairn-collectord token` prints it (cairn1.….…)");
    }
    return token;
  }
};

struct Identity {
  std::string uuid;
  std::string log_key;  // vkey
};

absl::StatusOr<Identity> IdentityOf(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const config::AgentConfig config, AgentConfigOf(arguments));
  const std::string keys = arguments.Get("--keys", config.keys().dir());
  absl::StatusOr<std::string> uuid = LoadHostUuid(keys);
  if (absl::IsNotFound(uuid.status())) {
    return absl::NotFoundError(absl::StrCat(keys, ": no key; `cairn key init` makes one"));
  }
  RETURN_IF_ERROR(uuid.status());
  ASSIGN_OR_RETURN(const ledger::SigningKey key,
                   ledger::SigningKey::Load(absl::StrCat(keys, "/", kLogKeyName)));
  const auto newest = NewestIncarnation(config.log().dir());
  const ledger::VerifierKey vkey = {LogOrigin(arguments.Get("--deployment", config.deployment()),
                                              *uuid, absl::StrCat(newest.ok() ? *newest : 1)),
                                    ledger::SignatureType::kEd25519, key.public_key()};
  return Identity{*uuid, vkey.ToString()};
}

// The shipper runs as a user of its own, and renews what lies there.
void GiveToShipper(const std::string& dir) {
  const passwd* user = ::getpwnam("cairn-shipper");
  if (user == nullptr || ::geteuid() != 0) return;
  for (const char* name : {"", "/host.crt", "/host.key", "/ca.crt", "/collector.vkey"}) {
    if (::chown(absl::StrCat(dir, name).c_str(), user->pw_uid, user->pw_gid) != 0) continue;
  }
}

absl::Status Save(const std::string& dir, const std::string& key_pem,
                  const wire::Enrolled& enrolled) {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir, 0750));
  if (!enrolled.certificate_pem().empty()) {
    if (!CertificateFits(enrolled.certificate_pem(), key_pem)) {
      return absl::DataLossError("the certificate that came is not for the key it was asked for");
    }
    // The key first: a certificate that lies there has its key.
    RETURN_IF_ERROR(WriteFileDurably(Io::Real(), dir, "host.key", key_pem, 0600));
    RETURN_IF_ERROR(
        WriteFileDurably(Io::Real(), dir, "host.crt", enrolled.certificate_pem(), 0644));
  }
  RETURN_IF_ERROR(WriteFileDurably(Io::Real(), dir, "ca.crt", enrolled.ca_pem(), 0644));
  RETURN_IF_ERROR(
      WriteFileDurably(Io::Real(), dir, "collector.vkey", enrolled.collector_key() + "\n", 0644));
  GiveToShipper(dir);
  return absl::OkStatus();
}

std::string ShipperConfig(const std::string& dir, const std::string& address,
                          const wire::Enrolled& enrolled) {
  return absl::StrCat("# Made by `cairn enrol`. All keys: shipper.yaml(5).\ncollectors:\n",
                      "  - address: \"", address, "\"\n    key: ", enrolled.collector_key(),
                      "\ntls:\n  certificate: ", dir, "/host.crt\n  key: ", dir,
                      "/host.key\n  ca: ", dir, "/ca.crt\n");
}

absl::StatusOr<wire::Enrolled> AskToEnrol(const Arguments& arguments, const Identity& identity,
                                          const std::string& csr_der) {
  ASSIGN_OR_RETURN(const Token token, Token::Parse(arguments.Get("--token")));
  ASSIGN_OR_RETURN(const HostPort where, HostPort::Parse(arguments.Get("--collector")));
  ASSIGN_OR_RETURN(std::shared_ptr<TlsContext> context, TlsContext::Pinned());
  wire::Frame question;
  question.mutable_enrol()->set_token(token.secret);
  question.mutable_enrol()->set_host_uuid(identity.uuid);
  question.mutable_enrol()->set_log_key(identity.log_key);
  question.mutable_enrol()->set_csr_der(csr_der);
  ASSIGN_OR_RETURN(const wire::Frame answer,
                   wire::Ask(where, std::move(context), token.pin, question, kTimeout));
  if (!answer.has_enrolled()) return absl::InvalidArgumentError("not an answer to an enrolment");
  ASSIGN_OR_RETURN(const ledger::VerifierKey key,
                   ledger::VerifierKey::Parse(answer.enrolled().collector_key()));
  if (key.type != ledger::SignatureType::kCosignature) {
    return absl::InvalidArgumentError("the collector's key is not one for receipts");
  }
  return answer.enrolled();
}

void Tell(const Identity& identity, const std::string& out, const std::string& config,
          const wire::Enrolled& enrolled) {
  std::printf("enrolled %s\n", identity.uuid.c_str());
  std::printf("receipts by %s\n", enrolled.collector_key().c_str());
  if (enrolled.certificate_pem().empty()) {
    std::fprintf(stderr,
                 "The collector certifies nobody: put the site's certificate for\n  %s\n"
                 "and its key into %s/host.crt and %s/host.key.\n",
                 identity.log_key.substr(0, identity.log_key.find('+')).c_str(), out.c_str(),
                 out.c_str());
  }
  std::fprintf(stderr,
               "%s says where to ship to, receipts.collectors of agent.yaml whose receipts count.\n"
               "Next: systemctl restart cairnd cairn-shipper\n",
               config.c_str());
}

// cairnd believes the collector's receipts from its next start on, beside those it believes
// already. With --keys it is another agent, whose configuration others write.
absl::Status BelieveReceipts(const Arguments& arguments, const std::string& collector_key) {
  if (arguments.Has("--keys")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const config::AgentConfig config, AgentConfigOf(arguments));
  std::string lines = "# Made by `cairn enrol`.\nreceipts:\n  collectors:\n";
  for (const std::string& known : config.receipts().collectors()) {
    if (known == collector_key) return absl::OkStatus();
    absl::StrAppend(&lines, "    - ", known, "\n");
  }
  absl::StrAppend(&lines, "    - ", collector_key, "\n");
  return WriteAgentDropIn(arguments, kReceiptsDropIn, lines);
}

// Where the collector takes logs: HOST of --collector, at the port it told.
std::string ShipTo(const Arguments& arguments, const wire::Enrolled& enrolled) {
  const std::string asked = arguments.Get("--collector");
  if (arguments.Has("--ship-to")) return arguments.Get("--ship-to");
  if (enrolled.ship_port() == 0) return asked;
  return absl::StrCat(asked.substr(0, asked.rfind(':')), ":", enrolled.ship_port());
}

int RunEnrol(const Arguments& arguments) {
  if (!arguments.Has("--collector") || !arguments.Has("--token")) {
    return Fail(kUsage, "enrol: --collector and --token are needed");
  }
  const auto identity = IdentityOf(arguments);
  if (!identity.ok()) return Fail(identity.status());
  absl::StatusOr<KeyAndRequest> request = KeyAndRequest();
  if (!arguments.Has("--no-certificate")) request = MakeRequest(identity->uuid);
  if (!request.ok()) return Fail(request.status());
  const auto enrolled = AskToEnrol(arguments, *identity, request->csr_der);
  if (!enrolled.ok()) {
    const absl::string_view why = enrolled.status().message();
    return Fail(absl::IsPermissionDenied(enrolled.status()) ? kFailed : CodeOf(enrolled.status()),
                absl::StrCat("enrol: ", why,
                             absl::StrContains(why, "certificate refused")
                                 ? "; is this the collector's enrolment listener (enrol.listen in "
                                   "its collector.yaml), and the token its own?"
                                 : ""));
  }
  const std::string out = arguments.Get("--out", kOut);
  const absl::Status saved = Save(out, request->key_pem, *enrolled);
  if (!saved.ok()) return Fail(saved);
  const std::string config = arguments.Get("--shipper-config", kShipperConfig);
  const std::string address = ShipTo(arguments, *enrolled);
  if (::access(config.c_str(), F_OK) != 0) {
    const size_t slash = config.rfind('/');
    const absl::Status written =
        WriteFileDurably(Io::Real(), slash == std::string::npos ? "." : config.substr(0, slash),
                         config.substr(slash == std::string::npos ? 0 : slash + 1),
                         ShipperConfig(out, address, *enrolled), 0644);
    if (!written.ok()) return Fail(written);
  }
  const absl::Status believed = BelieveReceipts(arguments, enrolled->collector_key());
  if (!believed.ok()) return Fail(believed);
  Tell(*identity, out, config, *enrolled);
  return kOk;
}

}  // namespace

Command EnrolCommand() {
  Command command;
  command.name = "enrol";
  command.summary = "Make this host known to a collector, with a one-time token";
  command.details =
      "The operator of the collector runs `cairn-collectord token` and gives you its line. It "
      "also\n"
      "says which collector to believe, so that nothing has to be copied before. The log key\n"
      "becomes trusted there, and this host gets a certificate that the shipper renews by itself.\n"
      "Where the site certifies its hosts, the certificate comes from there (--no-certificate).";
  command.options = {
      {"--collector", "HOST:PORT", "the collector's enrolment listener"},
      {"--token", "TOKEN", "as `cairn-collectord token` printed it; good once"},
      {"--ship-to", "HOST:PORT",
       "where the shipper connects to (HOST, at the port the collector tells)"},
      {"--out", "DIR", "for certificate, key and CA (/etc/cairn/shipper)"},
      {"--shipper-config", "FILE", "made when it is not there (/etc/cairn/shipper.yaml)"},
      {"--no-certificate", "", "the site certifies this host; only the log key is enrolled"},
      {"--keys", "DIR", "where the host's keys are (keys.dir of agent.yaml)"},
      {"--deployment", "NAME", "the log's deployment (deployment of agent.yaml)"},
      kConfigOption,
  };
  command.run = RunEnrol;
  return command;
}

}  // namespace cairn::cli
