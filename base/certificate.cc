#include "base/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

absl::Status SslError(absl::string_view verb) {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(verb, ": ", reason ? reason : "refused by OpenSSL"));
}

Bio ReadBio(absl::string_view bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())), &BIO_free);
}

template <typename Write>
std::string ToPem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string KeyPem(EVP_PKEY* key) {
  return ToPem([&](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

Key ReadKey(absl::string_view pem) {
  return Key(PEM_read_bio_PrivateKey(ReadBio(pem).get(), nullptr, nullptr, nullptr),
             &EVP_PKEY_free);
}

std::string SpkiSha256(X509* certificate) {
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length <= 0) return "";
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(der, static_cast<size_t>(length), hash, &size, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return std::string(reinterpret_cast<char*>(hash), size);
}

Key NewKey() { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free); }

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Adds one subject alternative name without OpenSSL's configuration syntax, in which a comma
// in a value would begin another name.
void AddName(GENERAL_NAMES* names, int type, absl::string_view value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
  GENERAL_NAME_set0_value(name, type, text);
  sk_GENERAL_NAME_push(names, name);
}

bool AddNames(X509* certificate, const CertificateRequest& request) {
  if (request.uris.empty() && request.names.empty()) return true;
  GENERAL_NAMES* names = sk_GENERAL_NAME_new_null();
  for (const std::string& uri : request.uris) AddName(names, GEN_URI, uri);
  for (const std::string& name : request.names) {
    char address[16];
    if (inet_pton(AF_INET, name.c_str(), address) == 1) {
      AddName(names, GEN_IPADD, {address, 4});
    } else if (inet_pton(AF_INET6, name.c_str(), address) == 1) {
      AddName(names, GEN_IPADD, {address, 16});
    } else {
      AddName(names, GEN_DNS, name);
    }
  }
  const bool added = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
  GENERAL_NAMES_free(names);
  return added;
}

void SetName(X509_NAME* name, const std::string& common_name) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
}

Certificate NewCertificate(const CertificateRequest& request, EVP_PKEY* public_key) {
  Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  unsigned char serial[16];
  RAND_bytes(serial, sizeof serial);
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(request.not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(request.not_after));
  SetName(X509_get_subject_name(certificate.get()), request.common_name);
  X509_set_pubkey(certificate.get(), public_key);
  return certificate;
}

std::string CertificatePem(X509* certificate) {
  return ToPem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

}  // namespace

absl::StatusOr<CertificateAndKey> CertificateAuthority::Create(const std::string& common_name,
                                                               absl::Duration lifetime) {
  const Key key = NewKey();
  const CertificateRequest request{.common_name = common_name, .not_after = absl::Now() + lifetime};
  const Certificate certificate = NewCertificate(request, key.get());
  X509* const c = certificate.get();
  X509_set_issuer_name(c, X509_get_subject_name(c));
  if (!AddExtension(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(c, c, NID_subject_key_identifier, "hash") ||
      X509_sign(c, key.get(), nullptr) == 0) {
    return SslError("make a certificate authority");
  }
  return CertificateAndKey{CertificatePem(c), KeyPem(key.get())};
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Load(const CertificateAndKey& pem) {
  CertificateAuthority authority;
  authority.certificate_.reset(
      PEM_read_bio_X509(ReadBio(pem.certificate_pem).get(), nullptr, nullptr, nullptr), &X509_free);
  if (authority.certificate_ == nullptr) return SslError("read the authority's certificate");
  authority.key_.reset(
      PEM_read_bio_PrivateKey(ReadBio(pem.key_pem).get(), nullptr, nullptr, nullptr),
      &EVP_PKEY_free);
  if (authority.key_ == nullptr) return SslError("read the authority's key");
  if (X509_check_private_key(authority.certificate_.get(), authority.key_.get()) != 1) {
    return SslError("authority: the key is not the certificate's");
  }
  authority.pem_ = pem.certificate_pem;
  return authority;
}

absl::StatusOr<std::string> CertificateAuthority::Certify(const CertificateRequest& request,
                                                          EVP_PKEY* public_key) const {
  const Certificate certificate = NewCertificate(request, public_key);
  X509* const c = certificate.get();
  X509* const issuer = certificate_.get();
  X509_set_issuer_name(c, X509_get_subject_name(issuer));
  if (!AddExtension(c, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(c, issuer, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(c, issuer, NID_ext_key_usage, request.server ? "serverAuth" : "clientAuth") ||
      !AddExtension(c, issuer, NID_subject_key_identifier, "hash") ||
      !AddExtension(c, issuer, NID_authority_key_identifier, "keyid") || !AddNames(c, request) ||
      X509_sign(c, key_.get(), nullptr) == 0) {
    return SslError("certify");
  }
  return CertificatePem(c);
}

absl::StatusOr<CertificateAndKey> CertificateAuthority::Issue(
    const CertificateRequest& request) const {
  const Key key = NewKey();
  ASSIGN_OR_RETURN(std::string certificate, Certify(request, key.get()));
  return CertificateAndKey{std::move(certificate), KeyPem(key.get())};
}

absl::StatusOr<std::string> CertificateAuthority::IssueFor(const CertificateRequest& request,
                                                           absl::string_view csr_der) const {
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(csr_der.data());
  const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> csr(
      d2i_X509_REQ(nullptr, &bytes, static_cast<long>(csr_der.size())), &X509_REQ_free);
  if (csr == nullptr) return SslError("read the certificate request");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(csr.get());
  if (key == nullptr || X509_REQ_verify(csr.get(), key) != 1) {
    return SslError("certificate request: its signature is not by its key");
  }
  return Certify(request, key);
}

absl::StatusOr<std::string> CertificateAuthority::Revoke(const std::vector<std::string>& serials,
                                                         absl::Duration lifetime) const {
  const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> crl(X509_CRL_new(), &X509_CRL_free);
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_STRING_free)> now(
      ASN1_TIME_set(nullptr, absl::ToTimeT(absl::Now())), &ASN1_STRING_free);
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_STRING_free)> next(
      ASN1_TIME_set(nullptr, absl::ToTimeT(absl::Now() + lifetime)), &ASN1_STRING_free);
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(certificate_.get()));
  X509_CRL_set1_lastUpdate(crl.get(), now.get());
  X509_CRL_set1_nextUpdate(crl.get(), next.get());
  for (const std::string& serial : serials) {
    BIGNUM* number = nullptr;
    if (BN_hex2bn(&number, serial.c_str()) == 0) return SslError("serial number " + serial);
    X509_REVOKED* revoked = X509_REVOKED_new();
    ASN1_INTEGER* integer = BN_to_ASN1_INTEGER(number, nullptr);
    X509_REVOKED_set_serialNumber(revoked, integer);
    X509_REVOKED_set_revocationDate(revoked, now.get());
    X509_CRL_add0_revoked(crl.get(), revoked);
    ASN1_INTEGER_free(integer);
    BN_free(number);
  }
  X509_CRL_sort(crl.get());
  if (X509_CRL_sign(crl.get(), key_.get(), nullptr) == 0) return SslError("sign revocation list");
  return ToPem([&](BIO* bio) { PEM_write_bio_X509_CRL(bio, crl.get()); });
}

absl::StatusOr<KeyAndRequest> MakeRequest(const std::string& common_name,
                                          absl::string_view key_pem) {
  const Key key = key_pem.empty() ? NewKey() : ReadKey(key_pem);
  if (key == nullptr) return SslError("read the key");
  const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> csr(X509_REQ_new(), &X509_REQ_free);
  SetName(X509_REQ_get_subject_name(csr.get()), common_name);
  X509_REQ_set_pubkey(csr.get(), key.get());
  // Ed25519 signs without a digest; other keys that a site may have made need one.
  const EVP_MD* digest = EVP_PKEY_is_a(key.get(), "ED25519") ? nullptr : EVP_sha256();
  if (X509_REQ_sign(csr.get(), key.get(), digest) == 0) return SslError("sign the request");
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(csr.get(), &der);
  if (size <= 0) return SslError("encode the request");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return KeyAndRequest{KeyPem(key.get()), std::move(bytes)};
}

absl::StatusOr<CertificateFacts> ReadCertificate(absl::string_view pem) {
  const Certificate certificate(PEM_read_bio_X509(ReadBio(pem).get(), nullptr, nullptr, nullptr),
                                &X509_free);
  if (certificate == nullptr) return SslError("read a certificate");
  tm begin{};
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notBefore(certificate.get()), &begin) != 1 ||
      ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return SslError("read a certificate's validity");
  }
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                            sizeof name);
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr);
  char* text = BN_bn2hex(number);
  CertificateFacts facts{.serial = text,
                         .common_name = name,
                         .not_before = absl::FromTimeT(timegm(&begin)),
                         .not_after = absl::FromTimeT(timegm(&end)),
                         .spki_sha256 = SpkiSha256(certificate.get())};
  OPENSSL_free(text);
  BN_free(number);
  return facts;
}

bool CertificateFits(absl::string_view certificate_pem, absl::string_view key_pem) {
  const Certificate certificate(
      PEM_read_bio_X509(ReadBio(certificate_pem).get(), nullptr, nullptr, nullptr), &X509_free);
  const Key key = ReadKey(key_pem);
  const bool fits = certificate != nullptr && key != nullptr &&
                    X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return fits;
}

}  // namespace cairn
