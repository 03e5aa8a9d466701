#include "policy/where.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/schema.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

using ledger::PathKind;

// The column as a person counts: characters, from 1.
size_t ColumnOf(absl::string_view source, size_t offset) {
  size_t column = 1;
  for (const char c : source.substr(0, offset)) column += (static_cast<uint8_t>(c) & 0xc0) != 0x80;
  return column;
}

void RequireTypes(const std::vector<Value>& names, ledger::Terms* terms) {
  std::bitset<256> types;
  for (const Value& name : names) {
    const auto type = EventByName(name.view());
    if (type.has_value()) types.set(static_cast<size_t>(*type));
  }
  if (types.none()) return;
  terms->types = terms->types.any() ? terms->types & types : types;
}

void RequirePaths(const cel::Program::Guard& guard, PathKind kind, ledger::Terms* terms) {
  if (guard.prefix) {
    if (guard.values.size() == 1) terms->RequirePrefix(kind, guard.values[0].view());
    return;
  }
  std::vector<ledger::Term> any;
  for (const Value& value : guard.values) {
    if (value.size == 0) return;  // what an absent path reads as
    any.push_back(ledger::PathTerm(kind, value.view()));
  }
  terms->any_of.push_back(std::move(any));
}

void RequireUsers(const std::vector<Value>& ids, ledger::Terms* terms) {
  std::vector<ledger::Term> any;
  for (const Value& id : ids) {
    if (id.number < 0 || id.number >= kUnset) return;  // what a record without a process reads as
    any.push_back(ledger::UserIdTerm(static_cast<uint32_t>(id.number)));
  }
  terms->any_of.push_back(std::move(any));
}

}  // namespace

absl::StatusOr<Where> Where::Parse(absl::string_view source) {
  cel::Scope scope;
  scope.events.set();
  cel::Error error;
  std::shared_ptr<const cel::Program> program = cel::Program::Compile(source, scope, &error);
  if (program != nullptr) return Where(std::move(program));
  return absl::InvalidArgumentError(
      absl::StrCat("column ", ColumnOf(source, error.offset), ": ", error.cause));
}

bool Where::Holds(const ledger::LoggedRecord& logged) const {
  const thread_local std::unique_ptr<Scratch> scratch = std::make_unique<Scratch>();
  const Event event{logged.time_ns, logged.record, logged.process, logged.wall_ns};
  return program_->Evaluate(event, scratch.get()).is_true();
}

void Where::Require(ledger::Terms* terms) const {
  cel::Program::Guard guard;
  if (!program_->FindGuard(&guard) || guard.values.empty()) return;
  const absl::string_view name = guard.field->name;
  if (name == "type" && !guard.prefix) RequireTypes(guard.values, terms);
  if (name == "process.exe") RequirePaths(guard, PathKind::kExe, terms);
  if (name == "file.path" || name == "target.path") {
    RequirePaths(guard, PathKind::kObject, terms);
  }
  if (name == "process.uid" || name == "process.euid" || name == "process.auid") {
    RequireUsers(guard.values, terms);
  }
}

}  // namespace cairn::policy
