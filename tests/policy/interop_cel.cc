// Evaluates conditions read from stdin, one a line, on one fixed event; prints true, false,
// error or why it is refused for each. tests/policy/interop_cel.mjs compares with another
// implementation.
#include <cstdio>
#include <iostream>
#include <string>

#include "policy/cel.h"

int main() {
  using cairn::policy::cel::Program;
  static cairn::policy::Scratch scratch;
  static const std::map<std::string, std::vector<std::string>> lists = {
      {"tools", {"/bin/a", "/bin/b"}}};
  cairn::Record record;
  record.set_type(cairn::FILE_OPEN);
  record.set_ret(-2);
  record.mutable_file()->set_path("/etc/shadow");
  record.mutable_file()->set_access(3);
  record.mutable_file()->set_fd(0);
  cairn::Process process;
  process.set_pid(7);
  process.set_exe("/bin/a");
  process.set_auid(1000);
  for (const char* word : {"sh", "-c", "x y"}) process.add_argv(word);
  cairn::policy::cel::Scope scope;
  scope.lists = &lists;
  scope.events.set();
  std::string line;
  while (std::getline(std::cin, line)) {
    cairn::policy::cel::Error error;
    const auto program = Program::Compile(line, scope, &error);
    if (program == nullptr) {
      std::printf("refused: %s\n", error.cause.c_str());
      continue;
    }
    const cairn::policy::Event event{0, &record, &process, 0};
    const auto value = program->Evaluate(event, &scratch);
    std::puts(value.is_true() ? "true" : value.is_false() ? "false" : "error");
  }
  return 0;
}
