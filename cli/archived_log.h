// A log in object storage, brought to a temporary directory to be read like any other.
#ifndef CAIRN_CLI_ARCHIVED_LOG_H_
#define CAIRN_CLI_ARCHIVED_LOG_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace cairn::cli {

bool IsArchived(const std::string& log);  // s3://…

// Deletes its directory when it goes.
class ArchivedCopy {
 public:
  // `url`: s3://BUCKET/DEPLOYMENT/HOST-UUID/INCARNATION; credentials from the environment
  // (archive/s3.h). Each segment is the version that was pinned; the pins' notes become
  // receipts. DataLoss: what is stored is not what was pinned. NotFound: no such log.
  static absl::StatusOr<std::unique_ptr<ArchivedCopy>> Fetch(
      const std::string& url, const std::function<void(uint64_t done, uint64_t total)>& progress);
  ~ArchivedCopy();
  const std::string& dir() const { return dir_; }

 private:
  explicit ArchivedCopy(std::string dir) : dir_(std::move(dir)) {}
  const std::string dir_;
};

}  // namespace cairn::cli

#endif  // CAIRN_CLI_ARCHIVED_LOG_H_
