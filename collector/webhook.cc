#include "collector/webhook.h"

#include <curl/curl.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/log.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxWaiting = 256;
constexpr int kTries = 3;
constexpr long kTimeoutMs = 5000;

// Text for a JSON string; bytes that are not ASCII or would end it become \\u00XX.
std::string Quote(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned char>(c));
    }
  }
  return out + "\"";
}

size_t Ignore(char*, size_t size, size_t count, void*) { return size * count; }

}  // namespace

Webhook::Webhook(std::string url) : url_(std::move(url)) {
  ::curl_global_init(CURL_GLOBAL_DEFAULT);
  thread_ = std::thread([this] { Loop(); });
}

Webhook::~Webhook() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void Webhook::Post(absl::string_view kind, absl::string_view origin, absl::string_view text,
                   absl::Time time) {
  const absl::MutexLock lock(&mutex_);
  if (waiting_.size() >= kMaxWaiting) {
    waiting_.pop_front();
    ++dropped_;
  }
  waiting_.push_back(absl::StrCat(
      "{\"time\":", Quote(absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone())),
      ",\"kind\":", Quote(kind), ",\"origin\":", Quote(origin), ",\"text\":", Quote(text),
      ",\"dropped\":", dropped_, "}"));
}

void Webhook::Loop() {
  for (;;) {
    std::string body;
    {
      const absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return stop_ || !waiting_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (stop_) return;
      body = std::move(waiting_.front());
      waiting_.pop_front();
    }
    bool sent = false;
    for (int i = 0; i < kTries && !sent; ++i) sent = Send(body);
    if (!sent) LogWarning("webhook: an alarm could not be posted to ", url_);
  }
}

bool Webhook::Send(const std::string& body) const {
  CURL* const curl = ::curl_easy_init();
  if (curl == nullptr) return false;
  curl_slist* const headers = ::curl_slist_append(nullptr, "Content-Type: application/json");
  ::curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
  ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  ::curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Ignore);
  ::curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  const bool sent = ::curl_easy_perform(curl) == CURLE_OK;
  ::curl_slist_free_all(headers);
  ::curl_easy_cleanup(curl);
  return sent;
}

}  // namespace cairn::collector
