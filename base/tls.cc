#include "base/tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn {
namespace {

// The oldest entry of OpenSSL's error queue, which is then emptied.
std::string SslErrors() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : absl::StrCat("error ", code);
}

absl::Status FileError(absl::string_view what, const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(what, " ", path, ": ", SslErrors()));
}

absl::Status Readable(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("open ", path));
}

absl::Status LoadOwn(SSL_CTX* context, const TlsFiles& files) {
  RETURN_IF_ERROR(Readable(files.certificate));
  RETURN_IF_ERROR(Readable(files.key));
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    return FileError("certificate", files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return FileError("private key", files.key);
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return FileError("private key does not belong to the certificate:", files.key);
  }
  return absl::OkStatus();
}

absl::Status LoadCa(SSL_CTX* context, const std::string& path) {
  RETURN_IF_ERROR(Readable(path));
  if (SSL_CTX_load_verify_file(context, path.c_str()) != 1) return FileError("CA file", path);
  return absl::OkStatus();
}

absl::Status LoadCrl(SSL_CTX* context, const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Readable(path));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == nullptr || X509_load_crl_file(lookup, path.c_str(), X509_FILETYPE_PEM) <= 0) {
    return FileError("revocation list", path);
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return absl::OkStatus();
}

SSL_CTX* NewContext(const SSL_METHOD* method) {
  SSL_CTX* context = SSL_CTX_new(method);
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  return context;
}

std::string SpkiHash(X509* certificate) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length <= 0) return "";
  EVP_Digest(der, static_cast<size_t>(length), hash, &size, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return std::string(reinterpret_cast<char*>(hash), size);
}

bool IsAddress(const std::string& name) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, name.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

absl::Status ExpectName(SSL* ssl, const std::string& name) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  const bool set = IsAddress(name)
                       ? X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1
                       : X509_VERIFY_PARAM_set1_host(param, name.data(), name.size()) == 1 &&
                             SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  if (set) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("server name ", name, ": ", SslErrors()));
}

}  // namespace

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Server(const TlsFiles& files,
                                                               Clients clients) {
  std::shared_ptr<TlsContext> context(new TlsContext(NewContext(TLS_server_method())));
  RETURN_IF_ERROR(LoadOwn(context->get(), files));
  RETURN_IF_ERROR(LoadCa(context->get(), files.ca));
  RETURN_IF_ERROR(LoadCrl(context->get(), files.crl));
  const int must = clients == Clients::kMustCertify ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER | must, nullptr);
  X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(context->get()), X509_PURPOSE_SSL_CLIENT);
  return context;
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Client(const TlsFiles& files) {
  ASSIGN_OR_RETURN(std::shared_ptr<TlsContext> context, Anonymous(files.ca));
  RETURN_IF_ERROR(LoadOwn(context->get(), files));
  RETURN_IF_ERROR(LoadCrl(context->get(), files.crl));
  return context;
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Anonymous(const std::string& ca) {
  std::shared_ptr<TlsContext> context(new TlsContext(NewContext(TLS_client_method())));
  RETURN_IF_ERROR(LoadCa(context->get(), ca));
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Pinned() {
  std::shared_ptr<TlsContext> context(new TlsContext(NewContext(TLS_client_method())));
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_NONE, nullptr);
  context->needs_pin_ = true;
  return context;
}

TlsConnection::TlsConnection(std::shared_ptr<TlsContext> context, Fd socket, ssl_st* ssl)
    : context_(std::move(context)), socket_(std::move(socket)), ssl_(ssl) {
  SSL_set_fd(ssl_, socket_.get());
}

TlsConnection::~TlsConnection() { SSL_free(ssl_); }

absl::StatusOr<std::unique_ptr<TlsConnection>> TlsConnection::Accept(
    std::shared_ptr<TlsContext> context, Fd socket) {
  SSL* ssl = SSL_new(context->get());
  if (ssl == nullptr) return absl::ResourceExhaustedError(SslErrors());
  SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsConnection>(
      new TlsConnection(std::move(context), std::move(socket), ssl));
}

absl::StatusOr<std::unique_ptr<TlsConnection>> TlsConnection::Connect(
    std::shared_ptr<TlsContext> context, Fd socket, const std::string& name, std::string pin) {
  if (context->needs_pin() && pin.empty()) {
    return absl::InvalidArgumentError("TLS: neither an authority nor a pin to believe in");
  }
  SSL* ssl = SSL_new(context->get());
  if (ssl == nullptr) return absl::ResourceExhaustedError(SslErrors());
  SSL_set_connect_state(ssl);
  std::unique_ptr<TlsConnection> connection(
      new TlsConnection(std::move(context), std::move(socket), ssl));
  connection->pin_ = std::move(pin);
  RETURN_IF_ERROR(ExpectName(ssl, name));
  return connection;
}

absl::Status TlsConnection::HandshakeError() {
  const long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK) {
    ERR_clear_error();
    return absl::PermissionDeniedError(
        absl::StrCat("TLS: certificate refused: ", X509_verify_cert_error_string(verdict)));
  }
  const unsigned long code = ERR_peek_error();
  if (code == 0) return absl::UnavailableError("TLS: connection closed during the handshake");
  const std::string reason = SslErrors();
  const int number = ERR_GET_REASON(code);
  // An alert about a certificate is reported by the other side as SSL_AD_* + 1000.
  const bool certificate = number == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ||
                           (number >= SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE &&
                            number <= SSL_AD_REASON_OFFSET + SSL_AD_ACCESS_DENIED) ||
                           number == SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REQUIRED;
  const std::string text = absl::StrCat("TLS: ", reason);
  return certificate ? absl::PermissionDeniedError(text) : absl::InvalidArgumentError(text);
}

absl::StatusOr<TlsWant> TlsConnection::Handshake() {
  if (done_) return TlsWant::kNothing;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_READ) return TlsWant::kRead;
    if (error == SSL_ERROR_WANT_WRITE) return TlsWant::kWrite;
    return HandshakeError();
  }
  if (!pin_.empty() && PeerSpkiHash() != pin_) {
    return absl::PermissionDeniedError(absl::StrCat("TLS: the server's public key (SHA-256 ",
                                                    absl::BytesToHexString(PeerSpkiHash()),
                                                    ") is not the pinned one"));
  }
  done_ = true;
  return TlsWant::kNothing;
}

absl::StatusOr<TlsIo> TlsConnection::Outcome(int result, size_t bytes, absl::string_view verb) {
  if (result == 1) return TlsIo{.bytes = bytes};
  const int cause = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return TlsIo{.want = TlsWant::kRead};
    case SSL_ERROR_WANT_WRITE:
      return TlsIo{.want = TlsWant::kWrite};
    case SSL_ERROR_ZERO_RETURN:
      return TlsIo{.want = TlsWant::kClosed};
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return absl::UnavailableError(absl::StrCat(
          "TLS ", verb, ": ", cause != 0 ? ErrnoStatus(cause, "socket").message() : "closed"));
    default: {
      // With TLS 1.3 a client learns only now that its certificate was refused.
      const absl::Status error = HandshakeError();
      return absl::IsPermissionDenied(error)
                 ? error
                 : absl::UnavailableError(absl::StrCat(verb, ": ", error.message()));
    }
  }
}

absl::StatusOr<TlsIo> TlsConnection::Read(char* data, size_t size) {
  size_t bytes = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_read_ex(ssl_, data, size, &bytes);
  return Outcome(result, bytes, "read");
}

absl::StatusOr<TlsIo> TlsConnection::Write(absl::string_view data) {
  size_t bytes = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_write_ex(ssl_, data.data(), data.size(), &bytes);
  return Outcome(result, bytes, "write");
}

void TlsConnection::Close() {
  ERR_clear_error();
  if (done_) SSL_shutdown(ssl_);
  ERR_clear_error();
}

bool TlsConnection::pending() const { return SSL_has_pending(ssl_) == 1; }

bool TlsConnection::has_peer_certificate() const {
  return SSL_get0_peer_certificate(ssl_) != nullptr;
}

bool TlsConnection::PeerTrustedBy(const TlsContext& context) const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return true;
  X509_STORE_CTX* check = X509_STORE_CTX_new();
  const bool trusted = check != nullptr &&
                       X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context.get()),
                                           certificate, SSL_get_peer_cert_chain(ssl_)) == 1 &&
                       X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(check),
                                              SSL_CTX_get0_param(context.get())) == 1 &&
                       X509_verify_cert(check) == 1;
  X509_STORE_CTX_free(check);
  ERR_clear_error();
  return trusted;
}

std::vector<std::string> TlsConnection::PeerUris() const {
  std::vector<std::string> uris;
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return uris;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  GENERAL_NAMES_free(names);
  return uris;
}

std::string TlsConnection::PeerSpkiHash() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate == nullptr ? "" : SpkiHash(certificate);
}

std::string TlsConnection::PeerSerial() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  BIGNUM* serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* text = BN_bn2hex(serial);
  std::string out = text;
  OPENSSL_free(text);
  BN_free(serial);
  return out;
}

int64_t TlsConnection::PeerNotAfter() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  tm when{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) {
    return 0;
  }
  return timegm(&when);
}

}  // namespace cairn
