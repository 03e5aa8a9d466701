#include "collector/console/certificate.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn::collector {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&::X509_free)>;
using Memory = std::unique_ptr<BIO, decltype(&::BIO_free_all)>;

constexpr long kYear = 365L * 24 * 3600;
constexpr size_t kMaxPem = 64 << 10;

std::string TextOf(const Memory& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

bool IsAddress(const std::string& name) {
  ASN1_OCTET_STRING* address = ::a2i_IPADDRESS(name.c_str());
  ::ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

bool Extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  if (extension == nullptr) return false;
  const int added = ::X509_add_ext(certificate, extension, -1);
  ::X509_EXTENSION_free(extension);
  return added == 1;
}

bool Fill(X509* certificate, EVP_PKEY* key, const std::vector<std::string>& names) {
  uint64_t serial = 0;
  if (::RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) != 1) return false;
  ::X509_set_version(certificate, X509_VERSION_3);
  ::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(certificate), serial >> 1 | 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -300);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), kYear);
  ::X509_set_pubkey(certificate, key);
  X509_NAME* name = ::X509_get_subject_name(certificate);
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(names.front().c_str()), -1,
                               -1, 0);
  ::X509_set_issuer_name(certificate, name);
  std::string alternatives;
  for (const std::string& one : names) {
    if (absl::StrContains(one, ',')) return false;
    absl::StrAppend(&alternatives, alternatives.empty() ? "" : ",",
                    IsAddress(one) ? "IP:" : "DNS:", one);
  }
  return Extend(certificate, NID_subject_alt_name, alternatives) &&
         Extend(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         Extend(certificate, NID_ext_key_usage, "serverAuth") &&
         ::X509_sign(certificate, key, ::EVP_sha256()) > 0;
}

}  // namespace

absl::StatusOr<CertificateAndKey> MakeWebCertificate(const std::vector<std::string>& names) {
  if (names.empty()) return absl::InvalidArgumentError("name at least one --host");
  const Key key(EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  const Certificate certificate(::X509_new(), ::X509_free);
  if (key == nullptr || certificate == nullptr || !Fill(certificate.get(), key.get(), names)) {
    return absl::InvalidArgumentError(
        absl::StrCat("no certificate can be made for '", names.front(), "'"));
  }
  const Memory certificate_pem(::BIO_new(::BIO_s_mem()), ::BIO_free_all);
  const Memory key_pem(::BIO_new(::BIO_s_secmem()), ::BIO_free_all);
  ::PEM_write_bio_X509(certificate_pem.get(), certificate.get());
  ::PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return CertificateAndKey{TextOf(certificate_pem), TextOf(key_pem)};
}

absl::Status CheckWebKey(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string pem, ReadFile(path, kMaxPem));
  const Memory memory(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free_all);
  const Key key(::PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr),
                ::EVP_PKEY_free);
  if (key == nullptr) return absl::InvalidArgumentError(absl::StrCat(path, ": not a private key"));
  const int type = ::EVP_PKEY_get_base_id(key.get());
  if (type == EVP_PKEY_EC || type == EVP_PKEY_RSA) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path,
      ": browsers take ECDSA and RSA keys only; give console.tls a certificate of your own, "
      "or make one: cairn-collectord console-certificate --host NAME"));
}

}  // namespace cairn::collector
