// cairn checkpoint: the newest thing the log's key vouches for.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/logs.h"
#include "ledger/note.h"
#include "ledger/segments.h"

namespace cairn::cli {
namespace {

int RunCheckpoint(const Arguments& arguments) {
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  const auto file = ledger::ReadCheckpointFile(logs->front());
  if (!file.ok()) return Fail(file.status());
  // A note has no control characters: whatever else stands there stays off the terminal.
  if (const auto note = ledger::Note::Parse(file->note); !note.ok()) {
    return Fail(kBadInput, absl::StrCat(logs->front(), "/checkpoint: ", note.status().message()));
  }
  return std::fwrite(file->note.data(), 1, file->note.size(), stdout) == file->note.size()
             ? kOk
             : kFailed;
}

}  // namespace

Command CheckpointCommand() {
  Command command;
  command.name = "checkpoint";
  command.arguments = "[DIR]";
  command.summary = "Print a log's newest signed checkpoint";
  command.details =
      "A C2SP signed note (c2sp.org/tlog-checkpoint), signed by the log key and the epoch key.";
  command.options = {kConfigOption};
  command.max_words = 1;
  command.run = RunCheckpoint;
  return command;
}

}  // namespace cairn::cli
