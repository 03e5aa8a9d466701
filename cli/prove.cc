// cairn prove: evidence about one record, or about two sizes, for whoever has only a pinned key.
#include "ledger/prove.h"

#include <fcntl.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "cli/command.h"
#include "cli/logs.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

bool Number(const std::string& text, uint64_t* value) {
  return absl::SimpleAtoi(text, value) && absl::StrCat(*value) == text;
}

int Print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? kOk : kFailed;
}

int ProveOne(const Arguments& arguments, const std::string& log) {
  uint64_t sequence = 0;
  if (arguments.words().size() != 1 || !Number(arguments.words()[0], &sequence)) {
    return Fail(kUsage, "prove: give one record's sequence number");
  }
  Progress progress("reading");
  const auto proof = ledger::ProveRecord(
      log, sequence, [&](uint64_t done, uint64_t total) { progress.Show(done, total); });
  if (!proof.ok()) return Fail(proof.status());
  if (arguments.Has("--block")) {
    const std::string path = arguments.Get("--block");
    const auto file = OpenFile(Io::Real(), path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const absl::Status written =
        file.ok() ? WriteAll(Io::Real(), file->get(), proof->block, path) : file.status();
    if (!written.ok()) return Fail(written);
  }
  return Print(proof->ToString());
}

int ProveTwo(const Arguments& arguments, const std::string& log) {
  uint64_t old_size = 0;
  uint64_t size = 0;
  if (arguments.words().size() != 2 || !Number(arguments.words()[0], &old_size) ||
      !Number(arguments.words()[1], &size)) {
    return Fail(kUsage, "prove --consistency: give two sizes, in blocks");
  }
  Progress progress("reading");
  const auto report = ledger::ProveConsistency(
      log, old_size, size, [&](uint64_t done, uint64_t total) { progress.Show(done, total); });
  if (!report.ok()) return Fail(report.status());
  std::string out =
      absl::StrCat("old ", old_size, " ", absl::Base64Escape(ledger::View(report->old_root)),
                   "\nnew ", size, " ", absl::Base64Escape(ledger::View(report->root)), "\n");
  for (const ledger::Hash& hash : report->hashes) {
    absl::StrAppend(&out, absl::Base64Escape(ledger::View(hash)), "\n");
  }
  return Print(out);
}

int RunProve(const Arguments& arguments) {
  const auto log = LogOption(arguments);
  if (!log.ok()) return Fail(log.status());
  return arguments.Has("--consistency") ? ProveTwo(arguments, *log) : ProveOne(arguments, *log);
}

}  // namespace

Command ProveCommand() {
  Command command;
  command.name = "prove";
  command.arguments = "SEQUENCE | --consistency OLD NEW";
  command.summary = "Prove that a record is in the log, or that one size extends another";
  command.details =
      "Prints a c2sp.org/tlog-proof@v1 of the block that holds the record: the path to the root "
      "of\n"
      "a signed checkpoint (with the collector's cosignature where a receipt covers it). Together\n"
      "with the block's bytes (--block) it convinces whoever has the log's verifier key.\n"
      "With --consistency: both roots, and the RFC 9162 proof between them, base64, a line each,\n"
      "both within the newest checkpoint.\n"
      "Reads the headers of all segments and the blocks of a few: about one for each doubling of\n"
      "their number. Whether the rest of the log is whole is for `cairn verify` to say.";
  command.options = {{"--log", "DIR", "the log (this host's newest)"},
                     {"--block", "FILE", "write the block's stored bytes there"},
                     {"--consistency", "", "two sizes instead of a record"},
                     kConfigOption};
  command.max_words = 2;
  command.run = RunProve;
  return command;
}

}  // namespace cairn::cli
