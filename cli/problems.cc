#include "cli/problems.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "cli/command.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

using policy::Problem;

constexpr size_t kMostShown = 100;

auto Order(const Problem& problem) {
  return std::tie(problem.file, problem.place.line, problem.place.column, problem.cause);
}

// Line `number` of `text`, counted from 1; null: it has none.
const absl::string_view* LineOf(const std::vector<absl::string_view>& lines, int number) {
  if (number < 1 || static_cast<size_t>(number) > lines.size()) return nullptr;
  return &lines[static_cast<size_t>(number) - 1];
}

// The byte of `line` at character `column`, counted from 1; its size when it has fewer.
size_t ByteAt(absl::string_view line, int column) {
  size_t at = 0;
  for (int i = 1; i < column && at < line.size(); ++i) {
    do {
      ++at;
    } while (at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80);
  }
  return at;
}

// How many columns to underline: the word that begins there, or one.
size_t WordAt(absl::string_view line, size_t at) {
  size_t end = at;
  while (end < line.size() && (absl::ascii_isalnum(static_cast<unsigned char>(line[end])) ||
                               line[end] == '_' || line[end] == '.' || line[end] == '-')) {
    ++end;
  }
  return std::max<size_t>(end - at, 1);
}

//    14 |     when: proces.exe == ""
//       |           ^~~~~~~~~~
std::string Excerpt(absl::string_view line, const YamlPlace& place, bool colour, size_t columns) {
  constexpr size_t kGutter = 9;
  const size_t at = ByteAt(line, place.column);
  const std::string before = EscapeBytes(line.substr(0, at));
  // A long line is shown from a little before the place on.
  const size_t room = columns > kGutter + 20 ? columns - kGutter : 20;
  const size_t indent = Columns(before);
  const bool cut = indent + 20 > room;
  const std::string shown =
      cut ? absl::StrCat("…", EscapeBytes(line.substr(at))) : EscapeBytes(line);
  const size_t column = cut ? 1 : indent;
  const size_t word = std::min(WordAt(line, at), room > column ? room - column : 1);
  const std::string number = absl::StrCat(place.line);
  const std::string pad(number.size() < 5 ? 5 - number.size() : 0, ' ');
  const std::string caret = absl::StrCat("^", std::string(word - 1, '~'));
  return absl::StrCat(pad, number, " | ", Fit(shown, room), "\n", std::string(5, ' '), " | ",
                      std::string(column, ' '), Paint(caret, "1;32", colour), "\n");
}

std::string ShowOne(const Problem& problem, bool terminal, bool colour) {
  std::string where = EscapeBytes(problem.file);
  if (problem.place.line != 0) {
    absl::StrAppend(&where, ":", problem.place.line, ":", problem.place.column);
  }
  const std::string error = terminal ? absl::StrCat(Paint("error: ", "1;31", colour)) : "";
  return absl::StrCat(Paint(where + ":", "1", colour), " ", error,
                      Paint(EscapeBytes(problem.cause), terminal ? "1" : "", colour), "\n");
}

}  // namespace

std::string ShowProblems(std::vector<Problem> problems, const FileTexts& texts, bool terminal,
                         bool colour, size_t columns) {
  std::sort(problems.begin(), problems.end(),
            [](const Problem& a, const Problem& b) { return Order(a) < Order(b); });
  problems.erase(
      std::unique(problems.begin(), problems.end(),
                  [](const Problem& a, const Problem& b) { return Order(a) == Order(b); }),
      problems.end());
  std::string out, file;
  std::vector<absl::string_view> lines;
  std::set<std::string> files;
  for (size_t i = 0; i < problems.size(); ++i) {
    const Problem& problem = problems[i];
    files.insert(problem.file);
    if (i >= kMostShown) continue;
    out += ShowOne(problem, terminal, colour);
    if (!terminal) continue;
    if (problem.file != file) {
      file = problem.file;
      const auto found = texts.find(file);
      lines.clear();
      if (found != texts.end()) lines = absl::StrSplit(found->second, '\n');
    }
    const absl::string_view* line = LineOf(lines, problem.place.line);
    if (line != nullptr) out += Excerpt(*line, problem.place, colour, columns);
  }
  if (problems.size() > kMostShown) {
    absl::StrAppend(&out, "and ", problems.size() - kMostShown, " more\n");
  }
  if (terminal) {
    absl::StrAppend(&out, problems.size(), problems.size() == 1 ? " error in " : " errors in ",
                    files.size(), files.size() == 1 ? " file\n" : " files\n");
  }
  return out;
}

int PrintProblems(const std::vector<Problem>& problems, const FileTexts& texts) {
  const bool terminal = IsTerminal(STDERR_FILENO);
  const auto columns = static_cast<size_t>(TerminalColumns(STDERR_FILENO));
  std::fputs(ShowProblems(problems, texts, terminal, WantsColour(STDERR_FILENO), columns).c_str(),
             stderr);
  return kBadPolicy;
}

}  // namespace cairn::cli
