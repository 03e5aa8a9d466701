#include "collector/console/console_server.h"

#include <fcntl.h>
#include <httplib.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/io.h"
#include "base/line_log.h"
#include "base/log.h"
#include "base/metrics_server.h"
#include "base/status.h"
#include "collector/console/access.h"
#include "collector/console/api.h"
#include "collector/console/assets.h"
#include "collector/console/certificate.h"
#include "collector/console/store_view.h"
#include "policy/event_json.h"
#include "policy/json.h"

namespace cairn::collector {
namespace {

using httplib::Request;
using httplib::Response;

constexpr char kCookie[] = "__Host-cairn";
constexpr size_t kThreads = 48;
constexpr uint64_t kStrangersAMinute = 600;
constexpr size_t kMaxBody = 4096;
constexpr size_t kMaxTile = 1 << 20;
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

const httplib::Headers& SafeHeaders() {
  static const auto* headers = new httplib::Headers{
      {"Content-Security-Policy", kPolicy},
      {"Strict-Transport-Security", "max-age=31536000"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
  };
  return *headers;
}

std::string CookieOf(const Request& request) {
  for (const absl::string_view part : absl::StrSplit(request.get_header_value("Cookie"), ';')) {
    absl::string_view cookie = absl::StripAsciiWhitespace(part);
    if (absl::ConsumePrefix(&cookie, absl::StrCat(kCookie, "="))) return std::string(cookie);
  }
  return "";
}

std::vector<std::string> CertificateUris(const Request& request) {
  std::vector<std::string> uris;
  if (request.ssl == nullptr || ::SSL_get_verify_result(request.ssl) != X509_V_OK) return uris;
  X509* certificate = ::SSL_get1_peer_certificate(request.ssl);
  if (certificate == nullptr) return uris;
  auto* names = static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(::ASN1_STRING_length(uri)));
  }
  ::GENERAL_NAMES_free(names);
  ::X509_free(certificate);
  return uris;
}

int HttpCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 401;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    default:
      return 500;
  }
}

void Refuse(int code, absl::string_view why, Response* response) {
  policy::JsonObject json;
  json.Text("error", why);
  response->status = code;
  response->set_content(json.Done(), "application/json");
}

// Chosen by the client, so ours are the newest ones only; a certificate is welcome, not required.
bool SetUpTls(const TlsFiles& files, SSL_CTX* context) {
  ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (::SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1 ||
      ::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return false;
  }
  if (files.ca.empty()) return true;
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  ::SSL_CTX_set_client_CA_list(context, ::SSL_load_client_CA_file(files.ca.c_str()));
  if (!files.crl.empty()) {
    X509_STORE* store = ::SSL_CTX_get_cert_store(context);
    if (::X509_STORE_load_file(store, files.crl.c_str()) != 1) return false;
    ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }
  return ::SSL_CTX_load_verify_locations(context, files.ca.c_str(), nullptr) == 1;
}

}  // namespace

class ConsoleServer::Impl {
 public:
  explicit Impl(ConsoleOptions options)
      : options_(std::move(options)),
        server_([this](SSL_CTX& context) { return SetUpTls(options_.tls, &context); }) {}

  ~Impl() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start() {
    RETURN_IF_ERROR(CheckWebKey(options_.tls.key));
    if (!server_.is_valid()) {
      return absl::InvalidArgumentError(
          absl::StrCat("console: ", options_.tls.certificate, ", ", options_.tls.key, ", ",
                       options_.tls.ca, ": not a certificate, its key and an authority"));
    }
    RETURN_IF_ERROR(MakeDirectories(Io::Real(), options_.dir, 0700));
    ASSIGN_OR_RETURN(access_, Access::Load(options_.access, options_.session));
    ASSIGN_OR_RETURN(store_, StoreView::Open(options_.store, options_.dir + "/index"));
    api_ = std::make_unique<Api>(store_.get(), options_.alarms);
    ASSIGN_OR_RETURN(access_log_, LineLog::Open(options_.dir + "/access.jsonl"));
    Route();
    uint32_t wanted = 0;
    if (!absl::SimpleAtoi(options_.listen.port, &wanted) || wanted > 65535) {
      return absl::InvalidArgumentError("console.listen: not a port");
    }
    if (wanted == 0) {
      port_ = server_.bind_to_any_port(options_.listen.host);
    } else if (server_.bind_to_port(options_.listen.host, static_cast<int>(wanted))) {
      port_ = static_cast<int>(wanted);
    }
    if (port_ <= 0) {
      return absl::UnavailableError(absl::StrCat("console: cannot listen on ", options_.listen.host,
                                                 ":", options_.listen.port));
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }

 private:
  using Call = std::function<absl::StatusOr<ApiAnswer>(const Parameters&, const Viewer&)>;

  void Route() {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_payload_max_length(kMaxBody);
    server_.set_keep_alive_max_count(10000);
    server_.set_default_headers(SafeHeaders());
    for (const Asset& asset : Assets()) {
      server_.Get(std::string(asset.path), [asset](const Request&, Response& response) {
        response.set_header("Cache-Control", "no-cache");
        response.set_content(asset.bytes.data(), asset.bytes.size(), std::string(asset.type));
      });
    }
    Serve("/api/me", [this](auto&, auto& viewer) { return api_->Me(viewer); });
    Serve("/api/hosts", [this](auto&, auto& viewer) { return api_->Hosts(viewer); });
    Serve("/api/events", [this](auto& ask, auto& viewer) { return api_->Events(ask, viewer); });
    Serve("/api/tail", [this](auto& ask, auto& viewer) { return api_->Tail(ask, viewer); });
    Serve("/api/record", [this](auto& ask, auto& viewer) { return api_->OneRecord(ask, viewer); });
    Serve("/api/policy",
          [this](auto& ask, auto& viewer) { return api_->PolicyHistory(ask, viewer); });
    Serve("/api/alarms", [this](auto&, auto& viewer) { return api_->Alarms(viewer); });
    server_.Post("/login", [this](const Request& ask, Response& answer) { LogIn(ask, &answer); });
    server_.Post("/logout", [this](const Request& ask, Response& answer) { LogOut(ask, &answer); });
    server_.Get("/metrics",
                [this](const Request& ask, Response& answer) { Metrics(ask, &answer); });
    server_.Get("/tlog/(.*)", [this](const Request& ask, Response& answer) { Tile(ask, &answer); });
  }

  void Serve(const std::string& path, Call call) {
    server_.Get(path, [this, call = std::move(call)](const Request& ask, Response& answer) {
      answer.set_header("Cache-Control", "no-store");
      const std::shared_ptr<const Viewer> viewer = ViewerOf(ask);
      if (viewer == nullptr) {
        Refuse(401, "log in first", &answer);
        WriteDown(ask, nullptr, 401, 0);
        return;
      }
      const Parameters parameters(ask.params.begin(), ask.params.end());
      const absl::StatusOr<ApiAnswer> got = call(parameters, *viewer);
      const int code = got.ok() ? 200 : HttpCode(got.status());
      // What is not written down is not shown.
      if (!WriteDown(ask, viewer.get(), code, got.ok() ? got->records : 0)) {
        return Refuse(503, "the access log cannot be written, so nothing is shown", &answer);
      }
      if (!got.ok()) return Refuse(code, got.status().message(), &answer);
      answer.set_content(got->json, "application/json");
    });
  }

  std::shared_ptr<const Viewer> ViewerOf(const Request& ask) {
    access_->ReloadIfChanged();
    const std::string cookie = CookieOf(ask);
    if (!cookie.empty()) {
      if (auto viewer = access_->ByCookie(cookie)) return viewer;
    }
    if (auto viewer = access_->ByCertificate(CertificateUris(ask))) return viewer;
    const std::string bearer = ask.get_header_value("Authorization");
    absl::string_view token = bearer;
    return absl::ConsumePrefix(&token, "Bearer ") ? access_->ByToken(token) : nullptr;
  }

  // Asked by our own page, not by another site's.
  static bool FromOurPage(const Request& ask) {
    const std::string site = ask.get_header_value("Sec-Fetch-Site");
    return site.empty() || site == "same-origin";
  }

  void LogIn(const Request& ask, Response* answer) {
    answer->set_header("Cache-Control", "no-store");
    access_->ReloadIfChanged();
    if (!FromOurPage(ask)) return Refuse(403, "another site asked", answer);
    const auto cookie = access_->LogIn(absl::StripAsciiWhitespace(ask.body), ask.remote_addr);
    const auto viewer = cookie.ok() ? access_->ByCookie(*cookie) : nullptr;
    const int code = cookie.ok() ? 200 : HttpCode(cookie.status());
    if (!WriteDown(ask, viewer.get(), code, 0)) {
      return Refuse(503, "the access log cannot be written", answer);
    }
    if (!cookie.ok()) return Refuse(code, cookie.status().message(), answer);
    answer->set_header("Set-Cookie", absl::StrCat(kCookie, "=", *cookie,
                                                  "; Path=/; Secure; HttpOnly; "
                                                  "SameSite=Strict; Max-Age=",
                                                  absl::ToInt64Seconds(options_.session)));
    answer->set_content("{}", "application/json");
  }

  void LogOut(const Request& ask, Response* answer) {
    if (!FromOurPage(ask)) return Refuse(403, "another site asked", answer);
    WriteDown(ask, ViewerOf(ask).get(), 200, 0);
    access_->LogOut(CookieOf(ask));
    answer->set_header("Set-Cookie", absl::StrCat(kCookie,
                                                  "=; Path=/; Secure; HttpOnly; "
                                                  "SameSite=Strict; Max-Age=0"));
    answer->set_header("Clear-Site-Data", "\"cache\"");
    answer->set_content("{}", "application/json");
  }

  void Metrics(const Request& ask, Response* answer) {
    const std::shared_ptr<const Viewer> viewer = ViewerOf(ask);
    if (viewer == nullptr || !viewer->rights->metrics) {
      return Refuse(401, "metrics are for users whose role says so", answer);
    }
    std::string text;
    if (!options_.metrics_socket.empty()) {
      text = FetchMetrics(options_.metrics_socket).value_or("");
    }
    const ledger::IndexCounts counts = store_->counts();
    PrometheusText own;
    own.Counter("cairn_console_requests_total", "Requests answered", requests_.load());
    own.Gauge("cairn_console_index_segments", "Segments in the store", counts.segments);
    own.Gauge("cairn_console_index_pending", "Segments not indexed yet", counts.pending);
    own.Gauge("cairn_console_index_confirmed", "Segments whose index was made by this process",
              counts.confirmed);
    own.Counter("cairn_console_index_rebuilt_total", "Indexes found missing, foreign or wrong",
                counts.rebuilt);
    answer->set_content(absl::StrCat(text, own.text()), kPrometheusType);
  }

  // The collector's own log: for anybody, as C2SP tlog-tiles has it.
  void Tile(const Request& ask, Response* answer) {
    const std::string path = ask.matches[1];
    for (const absl::string_view part : absl::StrSplit(path, '/')) {
      if (part.empty() || part[0] == '.') return Refuse(404, "no such tile", answer);
    }
    const auto bytes = ReadFile(absl::StrCat(options_.tlog_dir, "/", path), kMaxTile);
    if (!bytes.ok()) return Refuse(404, "no such tile", answer);
    const bool text = path == "checkpoint";
    answer->set_header("Access-Control-Allow-Origin", "*");
    answer->set_header("Cache-Control", text ? "no-cache" : "max-age=31536000, immutable");
    answer->set_content(*bytes, text ? "text/plain; charset=utf-8" : "application/octet-stream");
  }

  // A line for each request that was for somebody's eyes; a tail is one, however often it is asked
  // for what is new.
  bool WriteDown(const Request& ask, const Viewer* viewer, int code, uint64_t records) {
    ++requests_;
    if (ask.path == "/api/tail" && ask.has_param("id")) return true;
    if (viewer == nullptr && TooManyStrangers()) return true;
    policy::JsonObject json;
    json.Text("time", policy::FormatWallTime(static_cast<uint64_t>(absl::GetCurrentTimeNanos())));
    json.Text("user", viewer != nullptr ? viewer->name : "");
    json.Text("role", viewer != nullptr ? viewer->role : "");
    json.Text("how", viewer != nullptr ? viewer->how : "");
    json.Text("address", ask.remote_addr);
    json.Text("method", ask.method);
    json.Text("path", ask.path);
    policy::JsonObject asked;
    for (const auto& [name, value] : ask.params) asked.Text(name, value.substr(0, 1024));
    json.Raw("asked", asked.Done());
    json.Number("status", static_cast<uint64_t>(code));
    json.Number("records", records);
    const absl::Status written = access_log_->Append(json.Done());
    if (!written.ok()) LogError("console: ", written.message());
    return written.ok();
  }

  // Whoever is not logged in sees nothing, and shall not fill the disk either.
  bool TooManyStrangers() {
    const int64_t minute = absl::ToUnixSeconds(absl::Now()) / 60;
    if (strangers_minute_.exchange(minute) != minute) strangers_ = 0;
    return ++strangers_ > kStrangersAMinute;
  }

  const ConsoleOptions options_;
  httplib::SSLServer server_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<StoreView> store_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<LineLog> access_log_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<int64_t> strangers_minute_{0};
  std::atomic<uint64_t> strangers_{0};
  int port_ = 0;
  std::thread thread_;
};

ConsoleServer::ConsoleServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConsoleServer::~ConsoleServer() = default;

absl::StatusOr<std::unique_ptr<ConsoleServer>> ConsoleServer::Start(ConsoleOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<ConsoleServer>(new ConsoleServer(std::move(impl)));
}

int ConsoleServer::port() const { return impl_->port(); }

}  // namespace cairn::collector
