// A large log asked for little: its derived index, kept in the user's cache. docs/search.md.
#ifndef CAIRN_CLI_INDEXED_LOG_H_
#define CAIRN_CLI_INDEXED_LOG_H_

#include <memory>
#include <string>

#include "base/secret.h"
#include "ledger/log_index.h"

namespace cairn::cli {

class IndexedLog {
 public:
  // Brings the index of the log directory up to date, with a progress bar. Null: reading the log
  // through is better (it is small, or `terms` rule nothing out), or there is no place for an
  // index.
  static std::unique_ptr<IndexedLog> OpenIfWorth(const std::string& log,
                                                 const ledger::Terms& terms);

  ledger::LogIndex* index() { return index_.get(); }

 private:
  IndexedLog() = default;
  Secret32 key_;
  std::unique_ptr<ledger::LogIndex> index_;
};

}  // namespace cairn::cli

#endif  // CAIRN_CLI_INDEXED_LOG_H_
