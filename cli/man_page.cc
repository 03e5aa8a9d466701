#include "cli/man_page.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/help.h"

namespace cairn::cli {
namespace {

// Text as groff shows it unchanged.
std::string Plain(absl::string_view text) {
  std::string out;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!out.empty()) out += '\n';
    if (absl::StartsWith(line, ".") || absl::StartsWith(line, "'")) out += "\\&";
    absl::StrAppend(&out, absl::StrReplaceAll(line, {{"\\", "\\e"}, {"-", "\\-"}}));
  }
  return out;
}

// `code` and **bold** become bold.
std::string Inline(absl::string_view text) {
  std::string out = Plain(text);
  for (const absl::string_view mark : {absl::string_view("**"), absl::string_view("`")}) {
    const std::vector<absl::string_view> parts = absl::StrSplit(out, mark);
    std::string marked;
    for (size_t i = 0; i < parts.size(); ++i) {
      const bool closed = i + 1 < parts.size() || parts.size() % 2 == 1;
      absl::StrAppend(&marked, i % 2 == 1 && closed ? "\\fB" : "", parts[i],
                      i % 2 == 1 && closed ? "\\fR" : "");
    }
    out = marked;
  }
  return out;
}

std::string Title(absl::string_view name, absl::string_view section, absl::string_view summary) {
  return absl::StrCat(".TH \"", absl::AsciiStrToUpper(name), "\" \"", section,
                      "\" \"\" \"cairn\" \"cairn manual\"\n.SH NAME\n", Plain(name), " \\- ",
                      Plain(summary), "\n");
}

std::string Verbatim(absl::string_view text) {
  return absl::StrCat(".nf\n", Plain(absl::StripSuffix(text, "\n")), "\n.fi\n");
}

std::string Options(const Command& command) {
  std::string out;
  for (const Option& option : command.options) {
    absl::StrAppend(&out, ".TP\n");
    if (option.letter != 0) absl::StrAppendFormat(&out, "\\fB\\-%c\\fR, ", option.letter);
    absl::StrAppend(&out, "\\fB", Plain(option.name), "\\fR");
    if (!option.value.empty()) absl::StrAppend(&out, " \\fI", Plain(option.value), "\\fR");
    absl::StrAppend(&out, "\n", Inline(option.help), "\n");
  }
  return out;
}

std::string ExitCodes() { return absl::StrCat(".SH \"EXIT STATUS\"\n", Verbatim(ExitCodeLines())); }

// One line of Markdown outside code.
void AppendLine(absl::string_view line, std::string* out) {
  if (absl::StartsWith(line, "## ")) {
    absl::StrAppend(out, ".SH \"", absl::AsciiStrToUpper(Plain(line.substr(3))), "\"\n");
  } else if (absl::StartsWith(line, "- ")) {
    absl::StrAppend(out, ".IP \\(bu 2\n", Inline(line.substr(2)), "\n");
  } else if (line.empty()) {
    absl::StrAppend(out, ".PP\n");
  } else {
    absl::StrAppend(out, Inline(absl::StripLeadingAsciiWhitespace(line)), "\n");
  }
}

}  // namespace

std::string PageName(const Command& command) {
  return absl::StrCat("cairn-", absl::StrReplaceAll(command.name, {{" ", "-"}}));
}

std::string CommandPage(const Command& command) {
  std::string page = Title(PageName(command), "1", command.summary);
  absl::StrAppend(&page, ".SH SYNOPSIS\n", Plain(UsageLine(command)), "\n.SH DESCRIPTION\n",
                  Plain(command.summary), ".\n");
  if (!command.details.empty()) absl::StrAppend(&page, ".PP\n", Verbatim(command.details));
  if (!command.options.empty()) absl::StrAppend(&page, ".SH OPTIONS\n", Options(command));
  return absl::StrCat(page, ExitCodes(), ".SH \"SEE ALSO\"\ncairn(1), cairn(7)\n");
}

std::string ProgramPage(absl::Span<const Command> commands) {
  std::string page = Title("cairn", "1", "read, check and steer tamper-evident audit logs");
  absl::StrAppend(&page,
                  ".SH SYNOPSIS\ncairn COMMAND [OPTION]... [ARGUMENT]...\n"
                  ".SH COMMANDS\n");
  for (const Command& command : commands) {
    absl::StrAppend(&page, ".TP\n\\fB", Plain(command.name), "\\fR\n", Plain(command.summary), ": ",
                    Plain(PageName(command)), "(1)\n");
  }
  return absl::StrCat(page, ExitCodes(),
                      ".SH FILES\n/etc/cairn/agent.yaml, /etc/cairn/trusted.vkeys, "
                      "/var/lib/cairn/log\n.SH \"SEE ALSO\"\ncairn(7), cairnd(8), "
                      "cairn\\-shipper(8), cairn\\-collectord(8), agent.yaml(5)\n");
}

std::string ConfigPage(absl::string_view name, absl::string_view yaml) {
  return absl::StrCat(Title(name, "5", "configuration of cairn, every key with its default"),
                      ".SH DESCRIPTION\nStrict YAML: unknown and duplicate keys, anchors and tags "
                      "are errors with file, line and column.\nThe file as it is shipped:\n.PP\n",
                      Verbatim(yaml), ".SH \"SEE ALSO\"\ncairn(7), cairnd(8)\n");
}

std::string TextPage(absl::string_view markdown, absl::string_view help) {
  const size_t first_end = markdown.find('\n');
  const std::vector<std::string> title =
      absl::StrSplit(absl::StripPrefix(markdown.substr(0, first_end), "# "), " -- ");
  const std::vector<std::string> name = absl::StrSplit(title[0], absl::ByAnyChar("()"));
  std::string page = Title(name[0], name.size() > 1 ? name[1] : "7", title.back());
  bool fenced = false;
  for (const absl::string_view line : absl::StrSplit(markdown.substr(first_end + 1), '\n')) {
    if (absl::StartsWith(line, "```")) {
      fenced = !fenced;
      absl::StrAppend(&page, fenced ? ".PP\n.nf\n" : ".fi\n");
    } else if (fenced) {
      absl::StrAppend(&page, Plain(line), "\n");
    } else if (line == "{{help}}") {
      absl::StrAppend(&page, Verbatim(help));
    } else {
      AppendLine(line, &page);
    }
  }
  return page;
}

}  // namespace cairn::cli
