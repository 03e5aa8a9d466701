// Writes the manual pages; run by the build.
//
//   man_pages OUT config FILE.yaml...     FILE.yaml.5 from the commented configuration
//   man_pages OUT commands                cairn.1 and a page a command
//   man_pages OUT text FILE.md [WORD...]  FILE without ".md"; {{help}} is what `WORD... --help`
//   prints: a program, behind an emulator where it is for another machine
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/io.h"
#include "cli/man_page.h"

namespace cairn::cli {
namespace {

std::string BaseName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

bool Write(const std::string& path, const std::string& page) {
  std::ofstream file(path);
  file << page;
  return file.flush().good();
}

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string HelpOf(absl::Span<const std::string> command) {
  std::string help;
  FILE* pipe = ::popen(absl::StrCat("'", absl::StrJoin(command, "' '"), "' --help").c_str(), "r");
  if (pipe == nullptr) return help;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) help.append(buffer, n);
  return ::pclose(pipe) == 0 ? help : "";
}

bool WriteCommands(const std::string& out) {
  bool good = Write(out + "/cairn.1", ProgramPage(Commands()));
  for (const Command& command : Commands()) {
    good &= Write(absl::StrCat(out, "/", PageName(command), ".1"), CommandPage(command));
  }
  return good;
}

bool WriteText(const std::string& out, const std::string& file,
               absl::Span<const std::string> command) {
  const std::string help = command.empty() ? "" : HelpOf(command);
  if (!command.empty() && help.empty()) return false;
  const std::string page = TextPage(Read(file), help);
  return Write(absl::StrCat(out, "/", absl::StripSuffix(BaseName(file), ".md")), page);
}

int Run(const std::vector<std::string>& words) {
  if (words.size() == 2 && words[1] == "commands") return WriteCommands(words[0]) ? 0 : 1;
  if (words.size() > 2 && words[1] == "config") {
    bool good = true;
    for (size_t i = 2; i < words.size(); ++i) {
      const std::string name = BaseName(words[i]);
      good &= Write(absl::StrCat(words[0], "/", name, ".5"), ConfigPage(name, Read(words[i])));
    }
    return good ? 0 : 1;
  }
  if (words.size() > 2 && words[1] == "text") {
    return WriteText(words[0], words[2], absl::MakeConstSpan(words).subspan(3)) ? 0 : 1;
  }
  std::cerr << "usage: man_pages OUT commands | config FILE... | text FILE [WORD...]\n";
  return 5;
}

}  // namespace
}  // namespace cairn::cli

int main(int argc, char** argv) { return cairn::cli::Run({argv + 1, argv + argc}); }
