#include "archive/s3.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"

namespace cairn::archive {
namespace {

constexpr size_t kMaxXml = 8 << 20;
constexpr long kConnectMs = 5000;

std::string Digest(const EVP_MD* algorithm, absl::string_view data) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(data.data(), data.size(), hash, &size, algorithm, nullptr);
  return std::string(reinterpret_cast<char*>(hash), size);
}

// As SigV4 wants it in paths ('/' stands) and queries.
std::string UriEncode(absl::string_view text, bool path) {
  std::string out;
  for (const char c : text) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ||
                       c == '_' || c == '~' || (path && c == '/');
    if (plain) {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string Iso8601(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::StatusCode CodeOf(long http) {
  if (http == 404) return absl::StatusCode::kNotFound;
  if (http == 401 || http == 403) return absl::StatusCode::kPermissionDenied;
  if (http == 409 || http == 412) return absl::StatusCode::kAlreadyExists;
  if (http == 429 || http >= 500) return absl::StatusCode::kUnavailable;
  return absl::StatusCode::kInvalidArgument;
}

struct Sink {
  std::string* body;
  size_t max_bytes;
  bool full = false;
};

size_t TakeBody(char* data, size_t size, size_t count, void* to) {
  auto* sink = static_cast<Sink*>(to);
  if (sink->body->size() + size * count > sink->max_bytes) {
    sink->full = true;
    return 0;
  }
  sink->body->append(data, size * count);
  return size * count;
}

size_t TakeHeader(char* data, size_t size, size_t count, void* to) {
  const absl::string_view line(data, size * count);
  const size_t colon = line.find(':');
  if (colon != absl::string_view::npos) {
    (*static_cast<std::map<std::string, std::string>*>(
        to))[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return size * count;
}

}  // namespace

struct S3::Call {
  std::string method;
  std::string bucket;
  std::string key;
  std::map<std::string, std::string> query;  // SigV4 signs it sorted
  std::map<std::string, std::string> headers;
  absl::string_view data;
  size_t max_bytes = kMaxXml;
};

struct S3::Reply {
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

absl::StatusOr<S3Options> S3FromEnvironment() {
  S3Options options;
  const std::pair<const char*, std::string*> needed[] = {
      {"AWS_ENDPOINT_URL", &options.endpoint},
      {"AWS_ACCESS_KEY_ID", &options.access_key},
      {"AWS_SECRET_ACCESS_KEY", &options.secret_key}};
  for (const auto& [name, value] : needed) {
    const char* given = std::getenv(name);
    if (given == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(name,
                       " is not set (also needed: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
                       "AWS_ENDPOINT_URL; AWS_REGION where it is not us-east-1)"));
    }
    *value = given;
  }
  if (const char* region = std::getenv("AWS_REGION"); region != nullptr) options.region = region;
  return options;
}

S3::S3(S3Options options)
    : options_(std::move(options)), curl_([] {
        static std::once_flag once;
        std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
        return ::curl_easy_init();
      }()) {}

S3::~S3() { ::curl_easy_cleanup(curl_); }

// Method, place, body and what is signed. The list it returns outlives the call.
curl_slist* S3::Describe(const Call& call) const {
  CURL* const curl = curl_;
  std::string url = absl::StrCat(options_.endpoint, "/", call.bucket);
  if (!call.key.empty()) absl::StrAppend(&url, "/", UriEncode(call.key, true));
  char join = '?';
  for (const auto& [name, value] : call.query) {
    url.push_back(std::exchange(join, '&'));
    absl::StrAppend(&url, UriEncode(name, false), "=", UriEncode(value, false));
  }
  ::curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  if (call.method == "HEAD") ::curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (call.method == "PUT") {
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call.data.empty() ? "" : call.data.data());
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(call.data.size()));
    ::curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT");
  }
  curl_slist* headers = nullptr;
  for (const auto& [name, value] : call.headers) {
    headers = ::curl_slist_append(headers, absl::StrCat(name, ": ", value).c_str());
  }
  // No header without a value: libcurl would sign it, and not send it.
  const std::string hash = absl::BytesToHexString(Digest(EVP_sha256(), call.data));
  headers = ::curl_slist_append(headers, absl::StrCat("x-amz-content-sha256: ", hash).c_str());
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  const std::string signature = absl::StrCat("aws:amz:", options_.region, ":s3");
  ::curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, signature.c_str());
  ::curl_easy_setopt(curl, CURLOPT_USERNAME, options_.access_key.c_str());
  ::curl_easy_setopt(curl, CURLOPT_PASSWORD, options_.secret_key.c_str());
  return headers;
}

absl::StatusOr<S3::Reply> S3::Perform(const Call& call) {
  if (curl_ == nullptr) return absl::ResourceExhaustedError("libcurl cannot start");
  CURL* const curl = curl_;
  ::curl_easy_reset(curl);  // keeps the connection
  curl_slist* const headers = Describe(call);
  Reply reply;
  Sink sink{&reply.body, call.max_bytes};
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  ::curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(absl::ToInt64Milliseconds(options_.timeout)));
  if (!options_.ca.empty()) ::curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca.c_str());
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &TakeBody);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink);
  ::curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &TakeHeader);
  ::curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply.headers);
  const CURLcode result = ::curl_easy_perform(curl);
  ::curl_slist_free_all(headers);
  const std::string what = absl::StrCat(call.method, " s3://", call.bucket, "/", call.key);
  if (sink.full) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": longer than ", call.max_bytes, " bytes"));
  }
  if (result != CURLE_OK) {
    return absl::UnavailableError(absl::StrCat(what, ": ", ::curl_easy_strerror(result)));
  }
  long http = 0;
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
  if (http >= 200 && http < 300) return reply;
  return absl::Status(CodeOf(http),
                      absl::StrCat(what, ": HTTP ", http, " ", XmlText(reply.body, "Code"), " ",
                                   XmlText(reply.body, "Message").substr(0, 200)));
}

absl::StatusOr<std::string> S3::Put(const std::string& bucket, const std::string& key,
                                    absl::string_view data, const PutOptions& options) {
  Call call{.method = "PUT", .bucket = bucket, .key = key, .data = data};
  call.headers["Content-Type"] = "application/octet-stream";
  call.headers["Content-MD5"] = absl::Base64Escape(Digest(EVP_md5(), data));
  if (options.if_absent) call.headers["If-None-Match"] = "*";
  if (options.retain_until != absl::InfinitePast()) {
    call.headers["x-amz-object-lock-mode"] = "COMPLIANCE";
    call.headers["x-amz-object-lock-retain-until-date"] = Iso8601(options.retain_until);
  }
  ASSIGN_OR_RETURN(Reply reply, Perform(call));
  return reply.headers["x-amz-version-id"];
}

absl::StatusOr<std::string> S3::Get(const std::string& bucket, const std::string& key,
                                    const std::string& version, size_t max_bytes) {
  Call call{.method = "GET", .bucket = bucket, .key = key, .max_bytes = max_bytes};
  if (!version.empty()) call.query["versionId"] = version;
  ASSIGN_OR_RETURN(Reply reply, Perform(call));
  return std::move(reply.body);
}

absl::StatusOr<ObjectFacts> S3::Head(const std::string& bucket, const std::string& key,
                                     const std::string& version) {
  Call call{.method = "HEAD", .bucket = bucket, .key = key};
  if (!version.empty()) call.query["versionId"] = version;
  ASSIGN_OR_RETURN(Reply reply, Perform(call));
  ObjectFacts facts{.version = reply.headers["x-amz-version-id"],
                    .lock_mode = reply.headers["x-amz-object-lock-mode"]};
  (void)absl::SimpleAtoi(reply.headers["content-length"], &facts.bytes);
  std::string unused;
  (void)absl::ParseTime(absl::RFC3339_full, reply.headers["x-amz-object-lock-retain-until-date"],
                        &facts.retain_until, &unused);
  return facts;
}

absl::StatusOr<std::vector<std::string>> S3::List(const std::string& bucket,
                                                  const std::string& prefix, int limit) {
  Call call{.method = "GET", .bucket = bucket};
  call.query = {{"list-type", "2"}, {"max-keys", absl::StrCat(limit)}, {"prefix", prefix}};
  ASSIGN_OR_RETURN(const Reply reply, Perform(call));
  return ParseKeys(reply.body);
}

absl::StatusOr<std::vector<ObjectVersion>> S3::ListVersions(const std::string& bucket,
                                                            const std::string& prefix) {
  Call call{.method = "GET", .bucket = bucket};
  call.query = {{"prefix", prefix}, {"versions", ""}};
  std::vector<ObjectVersion> all;
  for (;;) {
    ASSIGN_OR_RETURN(const Reply reply, Perform(call));
    ASSIGN_OR_RETURN(VersionPage page, ParseVersions(reply.body));
    for (ObjectVersion& version : page.versions) all.push_back(std::move(version));
    if (!page.more) return all;
    // A service that does not move on would be asked for ever.
    const std::pair<std::string, std::string> before = {call.query["key-marker"],
                                                        call.query["version-id-marker"]};
    call.query["key-marker"] = page.next_key;
    call.query["version-id-marker"] = page.next_version;
    if (before == std::pair(page.next_key, page.next_version)) {
      return absl::InvalidArgumentError(absl::StrCat("s3://", bucket, ": a list without an end"));
    }
  }
}

absl::StatusOr<bool> S3::HasVersions(const std::string& bucket) {
  Call call{.method = "GET", .bucket = bucket};
  call.query["versioning"] = "";
  ASSIGN_OR_RETURN(const Reply reply, Perform(call));
  return !XmlText(reply.body, "Status").empty();
}

absl::StatusOr<bool> S3::HasObjectLock(const std::string& bucket) {
  Call call{.method = "GET", .bucket = bucket};
  call.query["object-lock"] = "";
  const absl::StatusOr<Reply> reply = Perform(call);
  if (!reply.ok() && !absl::IsNotFound(reply.status()) && !absl::IsAlreadyExists(reply.status()) &&
      !absl::IsInvalidArgument(reply.status())) {
    return reply.status();
  }
  return reply.ok() && XmlText(reply->body, "ObjectLockEnabled") == "Enabled";
}

absl::Status S3::CreateBucket(const std::string& bucket, bool object_lock) {
  Call call{.method = "PUT", .bucket = bucket};
  if (object_lock) call.headers["x-amz-bucket-object-lock-enabled"] = "true";
  call.headers["Content-Type"] = "application/octet-stream";
  return Perform(call).status();
}

}  // namespace cairn::archive
