// Where a host's log goes on: its newest incarnation, or a new one when that must not be
// continued (the fork rule, proto/FORMAT.md §8).
#ifndef CAIRN_LEDGER_INCARNATION_H_
#define CAIRN_LEDGER_INCARNATION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/ledger.h"

namespace cairn::ledger {

struct OpenedLog {
  std::unique_ptr<Ledger> ledger;
  std::string dir;     // LOG_DIR/<incarnation>
  std::string origin;  // "<deployment>/h/<host-uuid>/<incarnation>"
  std::string forked;  // why this incarnation was begun just now; empty: it was continued
};

// Opens the log of a host for writing. `options.dir` is the directory of incarnations and
// `options.origin` "<deployment>/h/<host-uuid>"; both are completed here. An incarnation that
// is damaged below its durable point, or that a receipt shows to be older than the truth, is
// left as it is, and the next one begins with a record that names it. Errors as Ledger::Open's,
// but for DataLoss.
absl::StatusOr<OpenedLog> OpenNewestIncarnation(LedgerOptions options, const SigningKey& key);

// The same under another key: the newest incarnation ends with agent.key_rotated, and the next one,
// whose key is `next`, begins with it. May be interrupted anywhere and called again; where the
// newest incarnation is by `next` already, it goes on.
absl::StatusOr<OpenedLog> RotateKey(LedgerOptions options, const SigningKey& key,
                                    const SigningKey& next);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_INCARNATION_H_
