// cairn verify: has anybody touched this log?
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/human.h"
#include "base/io.h"
#include "base/status.h"
#include "cli/archived_log.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/logs.h"
#include "cli/terminal.h"
#include "ledger/key.h"
#include "ledger/tpm.h"
#include "ledger/verifier.h"

namespace cairn::cli {
namespace {

using ledger::Finding;
using ledger::Report;
using ledger::Verdict;

constexpr size_t kMaxShown = 20;

// "records 3000-3009", "record 3000", or nothing when the block cannot say.
std::string RecordsOf(const Finding& finding) {
  if (finding.end_sequence <= finding.first_sequence) return "";
  if (finding.end_sequence == finding.first_sequence + 1) {
    return absl::StrCat("record ", finding.first_sequence);
  }
  return absl::StrCat("records ", finding.first_sequence, "-", finding.end_sequence - 1);
}

std::string RangeText(const ledger::BlockRange& range) {
  const bool one = range.end_block == range.block + 1;
  const bool one_record = range.end_sequence == range.first_sequence + 1;
  return absl::StrCat(
      one ? absl::StrCat("block ", range.block)
          : absl::StrCat("blocks ", range.block, "-", range.end_block - 1),
      ", ",
      one_record ? absl::StrCat("record ", range.first_sequence)
                 : absl::StrCat("records ", range.first_sequence, "-", range.end_sequence - 1));
}

std::string VerdictText(const Report& report) {
  switch (report.verdict) {
    case Verdict::kOk:
      return absl::StrCat("OK through ", report.through);
    case Verdict::kTampered: {
      if (report.findings.empty()) return "TAMPERED";
      const Finding& first = report.findings.front();
      const std::string records = RecordsOf(first);
      return absl::StrCat("TAMPERED(", first.code, ", block ", first.block,
                          records.empty() ? "" : ", ", records, ")");
    }
    case Verdict::kIncomplete:
      return absl::StrCat("INCOMPLETE(", report.incomplete_from.value_or(report.through), ")");
    case Verdict::kBadInput:
      break;
  }
  return "BAD_INPUT";
}

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "OK";
    case Verdict::kTampered:
      return "TAMPERED";
    case Verdict::kIncomplete:
      return "INCOMPLETE";
    case Verdict::kBadInput:
      break;
  }
  return "BAD_INPUT";
}

void PrintText(const std::string& path, const Report& report) {
  const bool colour = WantsColour(STDOUT_FILENO);
  const bool ok = report.verdict == Verdict::kOk;
  const absl::string_view hue = ok                                       ? "1;32"
                                : report.verdict == Verdict::kIncomplete ? "1;33"
                                                                         : "1;31";
  std::string out = absl::StrCat(Paint(EscapeBytes(VerdictText(report)), hue, colour), "\n");
  const auto line = [&out](absl::string_view name, absl::string_view text) {
    absl::StrAppend(&out, "  ", Pad(name, 9), " ", EscapeBytes(text), "\n");
  };
  line("log", path);
  if (!report.origin.empty()) line("origin", report.origin);
  line("trust", report.trust == "none" ? "none: give --key, or --self-key to trust the log's own"
                                       : report.trust);
  if (report.segments > 0) {
    line("holds", absl::StrCat(HumanCount(report.records), " records in ",
                               HumanCount(report.size - report.first_block), " blocks, ",
                               report.segments, " segments, ", HumanBytes(report.bytes)));
  }
  if (report.receipts > 0) {
    line("receipts", absl::StrCat(report.receipts, ", through block ", report.receipted));
  }
  if (report.tags_checked > 0) line("tags", absl::StrCat(report.tags_checked, " checked"));
  if (report.redacted > 0) line("redacted", absl::StrCat(report.redacted, " blocks"));
  for (size_t i = 0; i < report.redacted_ranges.size() && i < kMaxShown; ++i) {
    line("", RangeText(report.redacted_ranges[i]));
  }
  if (report.redacted_ranges.size() > kMaxShown) line("", "and more: -o json lists them");
  if (report.anchored_from.has_value()) {
    line("anchored", absl::StrCat("from block ", *report.anchored_from));
  }
  for (size_t i = 0; i < report.findings.size() && i < kMaxShown; ++i) {
    const Finding& finding = report.findings[i];
    const std::string records = RecordsOf(finding);
    line(finding.code,
         absl::StrCat("block ", finding.block, records.empty() ? "" : ", ", records, ", ",
                      finding.file, " at byte ", finding.offset, ": ", finding.detail));
  }
  if (report.findings.size() > kMaxShown) {
    line("", absl::StrCat("and ", report.findings.size() - kMaxShown, " more"));
  }
  for (const std::string& note : report.notes) line("note", note);
  std::fputs(out.c_str(), stdout);
}

std::string FindingJson(const Finding& finding) {
  JsonObject json;
  json.Text("code", finding.code);
  json.Number("block", finding.block);
  json.Number("end_block", finding.end_block);
  json.Number("first_record", finding.first_sequence);
  json.Number("end_record", finding.end_sequence);
  json.Text("file", finding.file);
  json.Number("offset", finding.offset);
  json.Text("detail", finding.detail);
  return json.Done();
}

std::string RangeJson(const ledger::BlockRange& range) {
  JsonObject json;
  json.Number("block", range.block);
  json.Number("end_block", range.end_block);
  json.Number("first_record", range.first_sequence);
  json.Number("end_record", range.end_sequence);
  return json.Done();
}

void PrintJson(const std::string& path, const Report& report) {
  JsonObject json;
  json.Text("verdict", VerdictName(report.verdict));
  json.Text("log", path);
  json.Text("origin", report.origin);
  json.Text("trust", report.trust);
  json.Number("through", report.through);
  json.Number("size", report.size);
  json.Number("records", report.records);
  json.Number("segments", report.segments);
  json.Number("bytes", report.bytes);
  json.Number("first_block", report.first_block);
  json.Number("first_epoch", report.first_epoch);
  if (report.incomplete_from.has_value()) json.Number("incomplete_from", *report.incomplete_from);
  if (report.anchored_from.has_value()) json.Number("anchored_from", *report.anchored_from);
  json.Number("tags_checked", report.tags_checked);
  json.Number("redacted", report.redacted);
  std::vector<std::string> ranges;
  for (const ledger::BlockRange& range : report.redacted_ranges) {
    ranges.push_back(RangeJson(range));
  }
  json.Raw("redacted_ranges", JsonArray(ranges));
  json.Number("receipts", report.receipts);
  json.Number("receipted", report.receipted);
  std::vector<std::string> findings;
  for (const Finding& finding : report.findings) findings.push_back(FindingJson(finding));
  json.Raw("findings", JsonArray(findings));
  json.Texts("notes", report.notes);
  std::puts(json.Done().c_str());
}

// What is trusted for `log`: the command line's keys, else those of trusted.vkeys.
absl::Status FillKeys(const Arguments& arguments, const std::string& log,
                      ledger::VerifyOptions* options) {
  options->self_key = arguments.Has("--self-key");
  ASSIGN_OR_RETURN(const std::vector<ledger::VerifierKey> trusted, TrustedKeys());
  const auto origin = OriginOf(log);
  for (const ledger::VerifierKey& key : trusted) {
    const bool cosigner = key.type == ledger::SignatureType::kCosignature;
    if (cosigner && !options->collector_key.has_value()) options->collector_key = key;
    if (!cosigner && origin.ok() && key.name == *origin) options->key = key;
  }
  if (arguments.Has("--key")) {
    ASSIGN_OR_RETURN(options->key, VerifierKeyOf(arguments.Get("--key")));
  }
  if (arguments.Has("--collector-key")) {
    ASSIGN_OR_RETURN(options->collector_key, VerifierKeyOf(arguments.Get("--collector-key")));
  }
  return absl::OkStatus();
}

// What --tpm counted. NotFound without that option.
absl::StatusOr<uint64_t> TpmCounter(const Arguments& arguments) {
  if (!arguments.Has("--tpm")) return absl::NotFoundError("");
  ASSIGN_OR_RETURN(const std::unique_ptr<ledger::Tpm> tpm,
                   ledger::Tpm::Open(arguments.Get("--tpm")));
  return tpm->ReadCounter();
}

int RunVerify(const Arguments& arguments) {
  const std::string format = arguments.Get("--output", "text");
  if (format != "text" && format != "json") return Fail(kUsage, "verify: -o is text or json");
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  absl::StatusOr<Secret32> recipient_key = absl::NotFoundError("");
  if (arguments.Has("--recipient-key")) {
    recipient_key = ledger::LoadSecret(arguments.Get("--recipient-key"));
    if (!recipient_key.ok()) return Fail(recipient_key.status());
  }
  const absl::StatusOr<uint64_t> tpm_counter = TpmCounter(arguments);
  if (!tpm_counter.ok() && !absl::IsNotFound(tpm_counter.status())) {
    return Fail(tpm_counter.status());
  }
  int worst = kOk;
  for (const std::string& log : *logs) {
    ledger::VerifyOptions options;
    std::unique_ptr<ArchivedCopy> archived;
    std::string dir = log;
    if (IsArchived(log)) {
      Progress progress("fetching");
      absl::StatusOr<std::unique_ptr<ArchivedCopy>> copy = ArchivedCopy::Fetch(
          log, [&progress](uint64_t done, uint64_t total) { progress.Show(done, total); });
      if (!copy.ok()) return Fail(copy.status());
      archived = *std::move(copy);
      dir = archived->dir();
    }
    if (const absl::Status keys = FillKeys(arguments, dir, &options); !keys.ok()) {
      return Fail(keys);
    }
    options.allow_redacted = arguments.Has("--redacted");
    if (recipient_key.ok()) options.recipient_key = &*recipient_key;
    options.receipts_dir = arguments.Get("--receipts");
    if (tpm_counter.ok()) options.tpm_counter = *tpm_counter;
    if (arguments.Has("--through")) {
      const auto note = ReadFile(arguments.Get("--through"), 64 << 10);
      if (!note.ok()) return Fail(note.status());
      options.through_note = *note;
    }
    Report report;
    {
      Progress progress("verifying");
      options.progress = [&progress](uint64_t done, uint64_t total) { progress.Show(done, total); };
      report = ledger::VerifyLog(dir, options);
    }
    format == "json" ? PrintJson(log, report) : PrintText(log, report);
    const int code = static_cast<int>(report.verdict);
    // Tampered is worse than bad input, and that than incomplete.
    constexpr int kRank[] = {0, 3, 1, 2};
    if (kRank[code] > kRank[worst]) worst = code;
  }
  return worst;
}

}  // namespace

Command VerifyCommand() {
  Command command;
  command.name = "verify";
  command.arguments = "[DIR|FILE|s3://...]...";
  command.summary = "Check that a log is whole and unchanged";
  command.details =
      "Reads every byte of the log and checks frames, chain, tree, checkpoints and receipts.\n"
      "Trust comes from --key, from /etc/cairn/trusted.vkeys, or from --self-key. The verdict\n"
      "stands first: OK through N, TAMPERED(code, block, records), INCOMPLETE(from), BAD_INPUT.\n"
      "s3://BUCKET/DEPLOYMENT/HOST-UUID/INCARNATION is an archived log; AWS_ENDPOINT_URL,\n"
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say how to reach it.";
  command.options = {
      {"--key", "VKEY", "the log's verifier key, or a file that holds it"},
      {"--self-key", "",
       "trust the key that lies beside the log (proves no more than consistency)"},
      {"--collector-key", "VKEY", "the collector's verifier key, to check receipts"},
      {"--receipts", "DIR", "where receipts are (DIR/receipts)"},
      {"--through", "NOTE", "a file with a checkpoint that the log must contain"},
      {"--recipient-key", "FILE",
       "an auditor's private key (`cairn key recipient`): check every block's tag"},
      {"--tpm", "TCTI", "on the log's own host: its TPM must not have counted more epochs"},
      {"--redacted", "", "an exported copy with redacted blocks is as good"},
      {"--output", "FORMAT", "text (default) or json", 'o'},
      kConfigOption,
  };
  command.max_words = -1;
  command.run = RunVerify;
  return command;
}

}  // namespace cairn::cli
