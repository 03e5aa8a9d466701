#include <nats/nats.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "collector/export/sink.h"

namespace cairn::collector {
namespace {

constexpr int64_t kInFlight = 8192;
constexpr int64_t kAcknowledgedWithinMs = 20000;
constexpr int64_t kDuplicateWindowNs = 600'000'000'000;

absl::Status Failed(absl::string_view verb, natsStatus status) {
  if (status == NATS_OK) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("nats: ", verb, ": ", ::natsStatus_GetText(status)));
}

class NatsSink : public Sink {
 public:
  explicit NatsSink(NatsOptions options) : options_(std::move(options)) {}

  ~NatsSink() override {
    ::jsCtx_Destroy(stream_);
    ::natsConnection_Destroy(connection_);
    ::natsOptions_Destroy(nats_options_);
  }

  absl::Status Open() {
    const std::vector<std::string> urls = absl::StrSplit(options_.urls, ',', absl::SkipEmpty());
    std::vector<const char*> servers;
    servers.reserve(urls.size());
    for (const std::string& url : urls) servers.push_back(url.c_str());
    RETURN_IF_ERROR(Failed("options", ::natsOptions_Create(&nats_options_)));
    RETURN_IF_ERROR(Failed("servers", ::natsOptions_SetServers(nats_options_, servers.data(),
                                                               static_cast<int>(servers.size()))));
    ::natsOptions_SetMaxReconnect(nats_options_, -1);
    ::natsOptions_SetReconnectWait(nats_options_, 200);
    ::natsOptions_SetTimeout(nats_options_, 5000);
    RETURN_IF_ERROR(Failed("connect", ::natsConnection_Connect(&connection_, nats_options_)));
    jsOptions options;
    ::jsOptions_Init(&options);
    options.Wait = kAcknowledgedWithinMs;
    options.PublishAsync.MaxPending = kInFlight;
    options.PublishAsync.StallWait = kAcknowledgedWithinMs;
    options.PublishAsync.ErrHandler = OnRefused;
    options.PublishAsync.ErrHandlerClosure = this;
    RETURN_IF_ERROR(
        Failed("JetStream", ::natsConnection_JetStream(&stream_, connection_, &options)));
    return options_.create_replicas > 0 ? CreateStream() : absl::OkStatus();
  }

  absl::Status Write(absl::string_view id, absl::string_view event, absl::string_view host,
                     absl::string_view json) override {
    if (json.size() > static_cast<size_t>(::natsConnection_GetMaxPayload(connection_))) {
      return absl::ResourceExhaustedError(
          absl::StrCat("nats: record ", id, " has ", json.size(), " bytes, over max_payload"));
    }
    const std::string subject = absl::StrCat(options_.prefix, ".", host, ".", event);
    const std::string message_id(id);
    jsPubOptions publish;
    ::jsPubOptions_Init(&publish);
    publish.MsgId = message_id.c_str();
    publish.ExpectStream = options_.stream.c_str();
    return Failed("publish", ::js_PublishAsync(stream_, subject.c_str(), json.data(),
                                               static_cast<int>(json.size()), &publish));
  }

  absl::Status Flush() override {
    jsPubOptions wait;
    ::jsPubOptions_Init(&wait);
    wait.MaxWait = kAcknowledgedWithinMs;
    RETURN_IF_ERROR(Failed("acknowledgements", ::js_PublishAsyncComplete(stream_, &wait)));
    if (!refused_.exchange(false)) return absl::OkStatus();
    return absl::UnavailableError("nats: the stream refused records; they are sent again");
  }

 private:
  static void OnRefused(jsCtx*, jsPubAckErr*, void* self) {
    static_cast<NatsSink*>(self)->refused_ = true;
  }

  absl::Status CreateStream() {
    jsStreamInfo* info = nullptr;
    if (::js_GetStreamInfo(&info, stream_, options_.stream.c_str(), nullptr, nullptr) == NATS_OK) {
      ::jsStreamInfo_Destroy(info);
      return absl::OkStatus();
    }
    const std::string subjects = options_.prefix + ".>";
    const char* list[] = {subjects.c_str()};
    jsStreamConfig config;
    ::jsStreamConfig_Init(&config);
    config.Name = options_.stream.c_str();
    config.Subjects = list;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    config.Replicas = options_.create_replicas;
    config.Duplicates = kDuplicateWindowNs;
    config.DenyDelete = true;
    config.DenyPurge = true;
    return Failed("create the stream", ::js_AddStream(nullptr, stream_, &config, nullptr, nullptr));
  }

  const NatsOptions options_;
  natsOptions* nats_options_ = nullptr;
  natsConnection* connection_ = nullptr;
  jsCtx* stream_ = nullptr;
  std::atomic<bool> refused_{false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Sink>> OpenNatsSink(const NatsOptions& options) {
  auto sink = std::make_unique<NatsSink>(options);
  RETURN_IF_ERROR(sink->Open());
  return sink;
}

}  // namespace cairn::collector
