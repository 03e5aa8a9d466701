// TLS 1.3 with certificates on both sides, over non-blocking sockets, through OpenSSL 3.
// No earlier version, no session tickets, no 0-RTT. Both the shipper and the collector use it.
#ifndef CAIRN_BASE_TLS_H_
#define CAIRN_BASE_TLS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"

struct ssl_ctx_st;
struct ssl_st;

namespace cairn {

// PEM files. `certificate` starts with our own and goes on with its chain; `ca` holds the
// authorities the other side must be certified by; `crl` may be empty.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string ca;
  std::string crl;
};

// Keys and rules, shared by connections. Immutable; any thread.
class TlsContext {
 public:
  enum class Clients { kMustCertify, kMayBeUnknown };  // the second is for enrolment only

  // InvalidArgument: a file is not what it should be; NotFound, PermissionDenied. The error
  // names the file.
  static absl::StatusOr<std::shared_ptr<TlsContext>> Server(
      const TlsFiles& files, Clients clients = Clients::kMustCertify);
  static absl::StatusOr<std::shared_ptr<TlsContext>> Client(const TlsFiles& files);
  // A client without a certificate.
  static absl::StatusOr<std::shared_ptr<TlsContext>> Anonymous(const std::string& ca);
  // The same without a CA either, for enrolment: Connect must be given a pin, and nothing else
  // makes the server believed.
  static absl::StatusOr<std::shared_ptr<TlsContext>> Pinned();
  ~TlsContext();

  ssl_ctx_st* get() const { return context_; }
  bool needs_pin() const { return needs_pin_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
  bool needs_pin_ = false;
};

enum class TlsWant { kNothing, kRead, kWrite, kClosed };

struct TlsIo {
  size_t bytes = 0;                  // moved now
  TlsWant want = TlsWant::kNothing;  // what to wait for; kClosed: the other side is done
};

// One connection; owns its socket. One thread at a time.
class TlsConnection {
 public:
  // `socket` is connected and non-blocking.
  static absl::StatusOr<std::unique_ptr<TlsConnection>> Accept(std::shared_ptr<TlsContext> context,
                                                               Fd socket);
  // `name` (DNS name or IP address) must be in the server's certificate. `pin`, when not
  // empty, is the SHA-256 (32 bytes) of the server's SubjectPublicKeyInfo.
  static absl::StatusOr<std::unique_ptr<TlsConnection>> Connect(std::shared_ptr<TlsContext> context,
                                                                Fd socket, const std::string& name,
                                                                std::string pin);
  ~TlsConnection();

  // Goes on with the handshake. kNothing: it is done. PermissionDenied: a certificate was
  // refused, with the reason; InvalidArgument: not TLS 1.3; Unavailable: the connection broke.
  absl::StatusOr<TlsWant> Handshake();
  // At most `size` bytes. bytes 0 with kRead/kWrite: not now. Unavailable: broken.
  absl::StatusOr<TlsIo> Read(char* data, size_t size);
  absl::StatusOr<TlsIo> Write(absl::string_view data);
  // Says goodbye as far as the socket takes it now.
  void Close();

  int fd() const { return socket_.get(); }
  bool pending() const;  // bytes that were decrypted and not yet read
  // URIs of the other side's subject alternative name; only after the handshake.
  std::vector<std::string> PeerUris() const;
  bool has_peer_certificate() const;
  // Whether `context` would take the other side's certificate now: its authorities, revocations
  // and the date. True where there is none to take.
  bool PeerTrustedBy(const TlsContext& context) const;
  std::string PeerSpkiHash() const;  // SHA-256, 32 bytes; empty: no certificate
  std::string PeerSerial() const;    // hexadecimal
  int64_t PeerNotAfter() const;      // seconds since 1970

 private:
  TlsConnection(std::shared_ptr<TlsContext> context, Fd socket, ssl_st* ssl);
  absl::StatusOr<TlsIo> Outcome(int result, size_t bytes, absl::string_view verb);
  absl::Status HandshakeError();

  const std::shared_ptr<TlsContext> context_;
  const Fd socket_;
  ssl_st* const ssl_;
  std::string pin_;
  bool done_ = false;
};

}  // namespace cairn

#endif  // CAIRN_BASE_TLS_H_
