#include "policy/cel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace cairn::policy::cel {
namespace {

using ::testing::HasSubstr;
using Lists = std::map<std::string, std::vector<std::string>>;

struct Sample {
  Record record;
  Process process;
  Lists lists = {{"internal", {"10.0.0.0/8", "::1/128"}}, {"tools", {"/bin/a", "/bin/b"}}};

  Sample() {
    record.set_type(FILE_OPEN);
    record.set_ret(-2);
    record.mutable_file()->set_path("/etc/shadow");
    record.mutable_file()->set_access(1);
    (*record.mutable_audit()->mutable_fields())["k"] = "v";
    process.set_pid(7);
    process.set_exe("/bin/a");
    process.set_euid(0);
    process.set_auid(1000);
    for (const char* word : {"sh", "-c", "x"}) process.add_argv(word);
    process.add_ancestors()->set_exe("/usr/sbin/sshd");
  }
  Scope scope() const {
    Scope all;
    all.lists = &lists;
    all.events.set();
    return all;
  }
};

// "true", "false", "error: why" or "refused: why".
std::string Result(absl::string_view source, Sample* sample) {
  static Scratch* scratch = new Scratch;
  Error error;
  const auto program = Program::Compile(source, sample->scope(), &error);
  if (program == nullptr) return absl::StrCat("refused: ", error.cause);
  const Event event{0, &sample->record, &sample->process, 1767323045000000006};
  const Value value = program->Evaluate(event, scratch);
  if (value.is_error()) return absl::StrCat("error: ", value.text);
  return value.is_true() ? "true" : "false";
}

struct Case {
  const char* source;
  const char* result;
};

void Check(std::initializer_list<Case> cases) {
  Sample sample;
  for (const Case& c : cases) {
    EXPECT_THAT(Result(c.source, &sample), HasSubstr(c.result)) << c.source;
  }
}

TEST(Cel, OperatorsMeanWhatTheSpecificationSays) {
  Check({{"1 + 2 * 3 == 7", "true"},
         {"(1 + 2) * 3 == 9", "true"},
         {"7 / -2 == -3 && 7 % -2 == 1 && -7 % 2 == -1", "true"},
         {"10 - 2 - 3 == 5", "true"},
         {"0x10 == 16 && -9223372036854775808 < 0", "true"},
         {"\"a\" + \"b\" == 'ab'", "true"},
         {"'\\x41\\u00e9\\n' == \"A\\u00E9\\n\" && r'\\d' == '\\\\d'", "true"},
         {"'''a'b''' == \"a'b\"", "true"},
         {"'a' < 'b' && 'a' < 'aa' && !('b' <= 'a')", "true"},
         {"false < true", "true"},
         {"true ? false : true", "false"},
         {"1 in [1, 2] && !(3 in [1, 2]) && 'a' in ['a']", "true"},
         {"!(1 in [])", "true"},
         {"['a', 'b'] == ['a', 'b'] && ['a'] != ['b'] && [] == []", "true"},
         {"['a', 'b'][1] == 'b'", "true"},
         {"size('h\\u00e9') == 2 && 'abc'.size() == 3 && size([1,2]) == 2", "true"},
         {"['a'] + ['b'] == ['a', 'b']", "true"},
         {"// comment\ntrue", "true"}});
}

TEST(Cel, ErrorsAreAbsorbedByWhatDecides) {
  // process.pid is 7; dividing by (pid - 7) fails at run time.
  Check({{"1 / (process.pid - 7) == 1", "error: division by zero"},
         {"1 / (process.pid - 7) == 1 || true", "true"},
         {"true || 1 / (process.pid - 7) == 1", "true"},
         {"1 / (process.pid - 7) == 1 && false", "false"},
         {"1 / (process.pid - 7) == 1 && true", "error"},
         {"1 / (process.pid - 7) == 1 || false", "error"},
         {"!(1 / (process.pid - 7) == 1)", "error"},
         {"(1 / (process.pid - 7) == 1) ? true : false", "error"},
         {"true ? true : 1 / (process.pid - 7) == 1", "true"},
         {"process.argv.exists(a, 1 / (a == 'sh' ? 0 : 1) == 1)", "true"},
         {"process.argv.all(a, 1 / (a == 'sh' ? 0 : 1) == 2)", "false"},
         {"process.argv.exists(a, 1 / (a == 'sh' ? 0 : 1) == 2)", "error"},
         {"process.argv.exists_one(a, 1 / (a == 'x' ? 0 : 1) == 1)", "error"},
         {"process.pid + 9223372036854775807 == 0", "error: integer overflow"},
         {"process.argv[9] == 'x'", "error: index"},
         {"audit.fields['none'] == ''", "error: no such key"}});
}

TEST(Cel, FieldsListsAndMacros) {
  Check({{"process.exe in lists.tools", "true"},
         {"process.auid != unset && process.auid >= 1000", "true"},
         {"'read' in file.access && !('write' in file.access)", "true"},
         {"process.argv.join(' ') == 'sh -c x'", "true"},
         {"process.argv.exists(a, a.startsWith('-'))", "true"},
         {"process.argv.all(a, size(a) > 0)", "true"},
         {"process.argv.exists_one(a, a == 'x')", "true"},
         {"process.ancestors.exists(p, p.exe == '/usr/sbin/sshd')", "true"},
         {"process.ancestors[0].exe.endsWith('sshd')", "true"},
         {"process.container.id == ''", "true"},
         {"has(process.exe) && !has(process.unit)", "true"},
         {"has(audit.fields.k) && !has(audit.fields.z) && audit.fields.k == 'v'", "true"},
         {"'k' in audit.fields", "true"},
         {"result == 'failure' && errno == 2 && error == 'ENOENT'", "true"},
         {"type == 'file.open'", "true"},
         {"lists.internal.exists(n, cidr(n).containsIP('10.1.2.3'))", "true"},
         {"lists.internal.exists(n, cidr(n).containsIP('11.1.2.3'))", "false"},
         {"time.getFullYear() == 2026 && time.getMonth() == 0 && time.getHours() == 3", "true"},
         {"time > timestamp('2026-01-01T00:00:00Z') + duration('24h')", "true"},
         {"time - timestamp('2026-01-02T03:04:05Z') < duration('1s')", "true"}});
}

TEST(Cel, TextAndAddressFunctions) {
  Check({{"file.path.matches('^/etc/sh[a-d]+ow$')", "true"},
         {"file.path.matches('tc')", "true"},
         {"'AbC'.lowerAscii() == 'abc' && 'abc'.upperAscii() == 'ABC' && ' a '.trim() == 'a'",
          "true"},
         {"'h\\u00e9llo'.substring(1, 3) == '\\u00e9l' && 'abc'.indexOf('c') == 2", "true"},
         {"file.path.substring(99) == ''", "error: index"},
         {"int('42') == 42 && string(42) == '42'", "true"},
         {"isIP('::1') && !isIP('::ffff:1.2.3.4') && !isIP('01.2.3.4')", "true"},
         {"ip('10.0.0.1').family() == 4 && ip('::1').isLoopback()", "true"},
         {"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", "true"},
         {"cidr('10.0.0.0/8').prefixLength() == 8", "true"},
         {"cidr('10.0.0.0/8').containsIP(process.exe)", "error: not an IP"},
         {"ip('8.8.8.8').isGlobalUnicast()", "true"}});
}

TEST(Cel, MistakesAreRefusedAtLoadWithAHint) {
  Check({{"proces.exe == ''", "unknown field 'proces.exe' (did you mean 'process.exe'?)"},
         {"process.container == ''", "'process.container' is not a value; it has id, runtime"},
         {"process.exe == 1", "never equal: string and int (write \"1\", with quotes)"},
         {"process.uid == '0'", "never equal: int and string (write 0, without quotes)"},
         {"process.uid in ['a']", "never in it: int in list(string)"},
         {"process.exe", "must be true or false, but is string"},
         {"process.exe.startWith('a')", "did you mean 'startsWith'?"},
         {"process.uid.startsWith('a')", "'startsWith' does not take (int, string)"},
         {"process.uid && true", "takes true or false"},
         {"process.exe in lists.tolls", "no list 'tolls' (did you mean 'tools'?)"},
         {"cidr('10.0.0.0/33').containsIP('1.1.1.1')", "not a CIDR block"},
         {"file.path.matches('(')", "not a regular expression"},
         {"file.path.matches('((a{100}){100}){100}')", "not a regular expression"},
         {"timestamp('2026-02-31T00:00:00Z') < time", "not an RFC 3339 time"},
         {"duration('x') < duration('1s')", "not a duration"},
         {"1 / 0 == 1", "division by zero"},
         {"process.uid = 0", "did you mean '=='?"},
         {"a & b", "did you mean '&&'?"},
         {"1.5 > 1", "whole numbers"},
         {"{'a': 1}", "cannot be built"},
         {"'abc", "does not end"},
         {"'\\d'", "unknown escape"},
         {"", "ends too early"},
         {"true true", "unexpected 'true'"},
         {"[1, 'a'] == []", "one type"},
         {"9223372036854775808 > 0", "not a 64-bit integer"}});
}

TEST(Cel, AFieldAnEventCannotHaveIsAnErrorNamingBoth) {
  Scope scope;
  scope.events.set(FILE_OPEN);
  scope.named = scope.events;
  Error error;
  EXPECT_EQ(Program::Compile("net.dst_ip == '' && true", scope, &error), nullptr);
  EXPECT_EQ(error.cause, "file.open has no field 'net.dst_ip'");
  EXPECT_EQ(error.offset, 0u);
}

TEST(Cel, DepthAndSizeAreBounded) {
  Sample sample;
  for (const char* open : {"(", "[", "!", "-", "size("}) {
    std::string deep;
    for (int i = 0; i < 10000; ++i) deep += open;
    EXPECT_THAT(Result(deep + "1", &sample), HasSubstr("refused")) << open;
  }
  std::string sum = "1";
  for (int i = 0; i < 3000; ++i) sum += "+1";
  EXPECT_THAT(Result(sum + " == 1", &sample), HasSubstr("nested deeper"));
  std::string chain = "process.pid == 1";
  for (int i = 0; i < 500; ++i) chain += " || process.pid == 1";
  EXPECT_EQ(Result(chain, &sample), "false");
  EXPECT_THAT(Result(std::string(20000, ' '), &sample), HasSubstr("longer than"));
}

// A name that is no UTF-8 must not slip past a pattern.
TEST(Cel, PatternsSeeEveryByte) {
  Sample sample;
  sample.record.mutable_file()->set_path("/tmp/\xff\xfe.sh");
  EXPECT_EQ(Result("file.path.matches('^/tmp/.*[.]sh$')", &sample), "true");
}

TEST(Cel, GuardsAreNecessaryConditions) {
  Sample sample;
  Error error;
  const auto guard_of = [&](absl::string_view source) {
    const auto program = Program::Compile(source, sample.scope(), &error);
    Program::Guard guard;
    if (program == nullptr || !program->FindGuard(&guard)) return std::string("none");
    std::string text = absl::StrCat(guard.field->name, guard.prefix ? " prefix" : "");
    for (const Value& value : guard.values) {
      absl::StrAppend(
          &text, " ",
          value.kind == Kind::kString ? std::string(value.view()) : absl::StrCat(value.number));
    }
    return text;
  };
  EXPECT_EQ(guard_of("file.path in ['a', 'b'] && process.uid == 0"), "file.path a b");
  EXPECT_EQ(guard_of("process.uid == 0"), "process.uid 0");
  EXPECT_EQ(guard_of("file.path.startsWith('/etc/cron.') || file.path.matches('^/var/x')"),
            "file.path prefix /etc/cron. /var/x");
  EXPECT_EQ(guard_of("file.path.matches('^/var/xy*z')"), "file.path prefix /var/x");
  EXPECT_EQ(guard_of("file.path == 'a' || process.exe == 'b'"), "none");
  EXPECT_EQ(guard_of("file.path != 'a'"), "none");
  EXPECT_EQ(guard_of("!(file.path == 'a')"), "none");
  EXPECT_EQ(guard_of("file.path.matches('^a|b')"), "none");
  EXPECT_EQ(guard_of("file.path.startsWith('')"), "none");
}

}  // namespace
}  // namespace cairn::policy::cel
