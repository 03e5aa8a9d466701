// Where exported records go.
#ifndef CAIRN_COLLECTOR_EXPORT_SINK_H_
#define CAIRN_COLLECTOR_EXPORT_SINK_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::collector {

// One thread.
class Sink {
 public:
  virtual ~Sink() = default;
  // Takes a record: its id, its event's name, the host's uuid, and its JSON without a newline. It
  // has not arrived before Flush.
  virtual absl::Status Write(absl::string_view id, absl::string_view event, absl::string_view host,
                             absl::string_view json) = 0;
  // All that was written has arrived: on disk, or acknowledged. After an error nobody knows how
  // much did: it is all written again, and ids tell what comes twice.
  virtual absl::Status Flush() = 0;
};

// JSON lines, appended to `path`, fdatasynced at each Flush; "-": to stdout.
absl::StatusOr<std::unique_ptr<Sink>> OpenFileSink(const std::string& path);

struct NatsOptions {
  std::string urls;  // nats://host:port, also several, by comma
  std::string stream = "cairn";
  // Records go to <prefix>.<host uuid>.<group>.<verb>.
  std::string prefix = "cairn";
  // Not 0: a stream that does not exist is made, file storage, so many replicas, nothing in it can
  // be deleted or purged.
  int create_replicas = 0;
};
// NATS JetStream: each record is a message with its id as Nats-Msg-Id, so that the stream itself
// drops what comes twice within its window. Unavailable: no server, or no quorum.
absl::StatusOr<std::unique_ptr<Sink>> OpenNatsSink(const NatsOptions& options);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_EXPORT_SINK_H_
