// Any bytes as a condition: refused with a place inside it, or evaluated to a bool or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "policy/cel.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cairn::policy::cel::Program;
  static auto* scratch = new cairn::policy::Scratch;
  static const std::map<std::string, std::vector<std::string>> lists = {
      {"internal", {"10.0.0.0/8", "::1/128"}}};
  cairn::policy::cel::Scope scope;
  scope.lists = &lists;
  scope.events.set();
  cairn::policy::cel::Error error;
  const absl::string_view source(reinterpret_cast<const char*>(data), size);
  const auto program = Program::Compile(source, scope, &error);
  if (program == nullptr) {
    if (error.cause.empty() || error.offset > size) std::abort();
    return 0;
  }
  cairn::Record record;
  record.set_type(cairn::FILE_OPEN);
  record.mutable_file()->set_path(std::string(source.substr(0, 64)));
  record.mutable_net()->set_dst_ip("\x0a\x01\x02\x03");
  cairn::Process process;
  for (int i = 0; i < 3; ++i) process.add_argv(std::string(source.substr(0, 9)));
  process.add_ancestors()->set_exe("/bin/x");
  for (const cairn::Process* who : {static_cast<const cairn::Process*>(nullptr),
                                    static_cast<const cairn::Process*>(&process)}) {
    const cairn::policy::Event event{1, &record, who, 1};
    const auto value = program->Evaluate(event, scratch);
    if (!value.is_error() && !value.is_true() && !value.is_false()) std::abort();
    // A guard is a necessary condition: a match without it is a hole in the index.
    Program::Guard guard;
    if (!value.is_true() || !program->FindGuard(&guard)) continue;
    scratch->Reset();
    const auto field = guard.field->get(event, *guard.field, scratch);
    bool met = false;
    for (const auto& wanted : guard.values) {
      if (wanted.kind != cairn::policy::Kind::kString)
        met |= wanted.number == field.number;
      else if (guard.prefix)
        met |= field.view().substr(0, wanted.size) == wanted.view();
      else
        met |= field.view() == wanted.view();
    }
    if (!met) std::abort();
  }
  return 0;
}
