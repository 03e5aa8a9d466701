#include "collector/setup.h"

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/certificate.h"
#include "base/config_files.h"
#include "base/io.h"
#include "base/status.h"
#include "collector/hosts.h"
#include "collector/origin.h"
#include "collector/tokens.h"
#include "ledger/format.h"
#include "ledger/key.h"
#include "ledger/note.h"
#include "ledger/segments.h"
#include "proto/config.pb.h"

namespace cairn::collector {
namespace {

constexpr absl::Duration kAuthorityLifetime = absl::Hours(24 * 3650);
constexpr size_t kMaxPem = 64 << 10;
constexpr char kInstalled[] = "/etc/cairn-collector";
constexpr char kInstalledStore[] = "/var/lib/cairn-collector/store";
constexpr char kInstalledEnrol[] = "0.0.0.0:7444";

absl::Status WritePair(const std::string& dir, absl::string_view name,
                       const CertificateAndKey& pair) {
  RETURN_IF_ERROR(
      WriteFileDurably(Io::Real(), dir, absl::StrCat(name, ".crt"), pair.certificate_pem, 0644));
  return WriteFileDurably(Io::Real(), dir, absl::StrCat(name, ".key"), pair.key_pem, 0600);
}

std::string Config(const InitOptions& options, const std::string& dir) {
  std::string enrolment;
  if (!options.enrol.empty()) {
    enrolment = absl::StrCat("enrolment:\n  listen: \"", options.enrol, "\"\n  tokens_dir: ", dir,
                             "/tokens\n  ca_key: ", dir, "/ca.key\n");
  }
  return absl::StrCat(
      "# Made by cairn-collectord init. All keys: collector.yaml(5).\n",
      "deployment: ", options.deployment, "\nname: ", options.name, "\nsigning_key: ", dir,
      "/signing.key\nlisten: \"", options.listen, "\"\nstore: ", options.store,
      "\nhosts_dir: ", dir, "/hosts\ntls:\n  certificate: ", dir, "/collector.crt\n  key: ", dir,
      "/collector.key\n  ca: ", dir, "/ca.crt\n  crl: ", dir, "/ca.crl\n", enrolment);
}

absl::StatusOr<CertificateAuthority> LoadAuthority(const std::string& dir) {
  ASSIGN_OR_RETURN(std::string certificate, ReadFile(dir + "/ca.crt", kMaxPem));
  ASSIGN_OR_RETURN(std::string key, ReadFile(dir + "/ca.key", kMaxPem));
  return CertificateAuthority::Load({std::move(certificate), std::move(key)});
}

absl::Status WriteCrl(const std::string& dir, const std::vector<std::string>& serials) {
  ASSIGN_OR_RETURN(const CertificateAuthority authority, LoadAuthority(dir));
  ASSIGN_OR_RETURN(const std::string crl, authority.Revoke(serials, kAuthorityLifetime));
  return WriteFileDurably(Io::Real(), dir, "ca.crl", crl, 0644);
}

absl::Status CheckUuid(absl::string_view host_uuid) {
  if (IsHostUuid(host_uuid)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", host_uuid, "' is not a host uuid"));
}

absl::Status MakeReceiptKey(const std::string& dir, const std::string& name) {
  const ledger::SigningKey key = ledger::SigningKey::Generate();
  RETURN_IF_ERROR(key.Save(dir + "/signing.key"));
  const ledger::VerifierKey verifier{
      .name = name, .type = ledger::SignatureType::kCosignature, .public_key = key.public_key()};
  return WriteFileDurably(Io::Real(), dir, "collector.vkey", verifier.ToString() + "\n", 0644);
}

}  // namespace

absl::Status InitCollector(const InitOptions& given) {
  InitOptions options = given;
  if (options.hosts.empty()) return absl::InvalidArgumentError("name at least one --host");
  if (options.name.empty()) options.name = options.hosts.front();
  char* real = nullptr;
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), options.dir, 0700));
  real = ::realpath(options.dir.c_str(), nullptr);
  const std::string dir = real != nullptr ? real : options.dir;
  ::free(real);
  const bool installed = dir == kInstalled;
  if (options.store.empty()) options.store = installed ? kInstalledStore : dir + "/store";
  if (options.enrol.empty() && installed) options.enrol = kInstalledEnrol;
  if (::access((dir + "/collector.yaml").c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(absl::StrCat(dir, "/collector.yaml exists"));
  }
  ASSIGN_OR_RETURN(
      const CertificateAndKey ca,
      CertificateAuthority::Create(absl::StrCat("cairn ", options.deployment, " authority"),
                                   kAuthorityLifetime));
  ASSIGN_OR_RETURN(const CertificateAuthority authority, CertificateAuthority::Load(ca));
  ASSIGN_OR_RETURN(
      const CertificateAndKey own,
      authority.Issue(
          {.common_name = options.hosts.front(), .names = options.hosts, .server = true}));
  RETURN_IF_ERROR(WritePair(dir, "ca", ca));
  RETURN_IF_ERROR(WritePair(dir, "collector", own));
  RETURN_IF_ERROR(WriteCrl(dir, {}));
  RETURN_IF_ERROR(MakeReceiptKey(dir, options.name));
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir + "/hosts", 0750));
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), options.store, 0750));
  return WriteFileDurably(Io::Real(), dir, "collector.yaml", Config(options, dir), 0644);
}

absl::Status IssueHost(const std::string& dir, absl::string_view deployment,
                       absl::string_view host_uuid, const std::string& out) {
  RETURN_IF_ERROR(CheckUuid(host_uuid));
  ASSIGN_OR_RETURN(const CertificateAuthority authority, LoadAuthority(dir));
  const Origin origin{std::string(deployment), std::string(host_uuid), "0"};
  ASSIGN_OR_RETURN(
      const CertificateAndKey host,
      authority.Issue({.common_name = std::string(host_uuid), .uris = {origin.Uri()}}));
  RETURN_IF_ERROR(Hosts(dir + "/hosts", false).NoteCertificate(host_uuid, host.certificate_pem));
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), out, 0750));
  RETURN_IF_ERROR(WritePair(out, "host", host));
  return WriteFileDurably(Io::Real(), out, "ca.crt", authority.certificate_pem(), 0644);
}

absl::Status TrustKey(const std::string& dir, const std::string& vkey) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(vkey, 4096));
  ASSIGN_OR_RETURN(const ledger::VerifierKey key,
                   ledger::VerifierKey::Parse(absl::StripAsciiWhitespace(text)));
  ASSIGN_OR_RETURN(const Origin origin, Origin::Parse(key.name));
  return Hosts(dir + "/hosts", false).Add(origin.host, key);
}

absl::Status RevokeHost(const std::string& dir, absl::string_view host_uuid,
                        absl::string_view reason) {
  RETURN_IF_ERROR(CheckUuid(host_uuid));
  Hosts hosts(dir + "/hosts", false);
  RETURN_IF_ERROR(hosts.Revoke(host_uuid, reason));
  if (::access((dir + "/ca.key").c_str(), F_OK) != 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> serials, hosts.RevokedSerials());
  return WriteCrl(dir, serials);
}

absl::StatusOr<std::vector<LastReceipt>> DecommissionHost(const std::string& dir,
                                                          absl::string_view host_uuid,
                                                          absl::string_view reason) {
  RETURN_IF_ERROR(RevokeHost(dir, host_uuid, absl::StrCat("decommissioned: ", reason)));
  std::vector<LastReceipt> last;
  config::CollectorConfig config;
  RETURN_IF_ERROR(ReadConfigFiles(dir + "/collector.yaml", &config));
  const std::string store = config.store().empty() ? kInstalledStore : config.store();
  ASSIGN_OR_RETURN(const std::vector<std::string> deployments, ListDirectory(store));
  for (const std::string& deployment : deployments) {
    const std::string host = absl::StrCat(store, "/", deployment, "/", host_uuid);
    const auto incarnations = ListDirectory(host);
    if (!incarnations.ok()) continue;
    for (const std::string& incarnation : *incarnations) {
      const std::string log = absl::StrCat(host, "/", incarnation);
      const auto file = ledger::ReadCheckpointFile(log);
      const auto note = file.ok() ? ledger::Note::Parse(file->note) : file.status();
      const auto checkpoint = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
      if (!checkpoint.ok()) continue;
      last.push_back(
          {checkpoint->origin, checkpoint->size, absl::StrCat(log, "/", ledger::kCheckpointFile)});
    }
  }
  return last;
}

absl::StatusOr<std::string> MakeToken(const std::string& dir, absl::Duration valid,
                                      absl::string_view host_uuid) {
  if (!host_uuid.empty()) RETURN_IF_ERROR(CheckUuid(host_uuid));
  ASSIGN_OR_RETURN(const std::string pem, ReadFile(dir + "/collector.crt", kMaxPem));
  ASSIGN_OR_RETURN(const CertificateFacts own, ReadCertificate(pem));
  ASSIGN_OR_RETURN(const std::string secret, Tokens(dir + "/tokens").Make(valid, host_uuid));
  return absl::StrCat("cairn1.", secret, ".", absl::BytesToHexString(own.spki_sha256));
}

absl::Status HoldHost(const std::string& dir, absl::string_view host_uuid,
                      absl::string_view reason) {
  RETURN_IF_ERROR(CheckUuid(host_uuid));
  Hosts hosts(dir + "/hosts", false);
  return reason.empty() ? hosts.EndHold(host_uuid) : hosts.Hold(host_uuid, reason);
}

}  // namespace cairn::collector
