#include "policy/import_auditd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "policy/compile.h"
#include "tests/paths.h"

// libaudit.h's macros have the names of our events: this is all of it that is needed here.
extern "C" int audit_name_to_syscall(const char* name, int machine);

namespace cairn::policy {
namespace {

using ::testing::HasSubstr;
using Fate = ImportedLine::Fate;
constexpr int kX86 = 0, kX86_64 = 1;  // machine_t

Import Of(const std::string& text) { return ImportAuditd({{"x.rules", text}}); }

std::string Problems(const std::string& yaml) {
  std::vector<Problem> problems;
  std::vector<Source> sources = {ReadSource("x.yaml", yaml, &problems)};
  CompilePolicy(std::move(sources), CompileOptions(), &problems);
  return problems.empty() ? "" : problems[0].ToString();
}

TEST(ImportAuditd, EveryMappedSystemCallIsOneTheKernelHas) {
  for (const absl::string_view name : MappedSyscalls()) {
    const std::string text(name);
    EXPECT_TRUE(audit_name_to_syscall(text.c_str(), kX86_64) >= 0 ||
                audit_name_to_syscall(text.c_str(), kX86) >= 0)
        << name;
  }
}

TEST(ImportAuditd, EachKindOfLineHasItsFate) {
  const std::pair<const char*, Fate> kLines[] = {
      {"-w /etc/shadow -p wa -k identity", Fate::kMapped},
      {"-a always,exit -F arch=b64 -S openat -F exit=-EACCES -F auid>=1000 -k access",
       Fate::kMapped},
      {"-a always,exit -F arch=b64 -S execve -C uid!=euid -F euid=0 -k x", Fate::kMapped},
      {"-a exit,always -S chmod -F auid!=unset", Fate::kMapped},
      {"-a always,exit -S openat -F a2&0100 -F success=1", Fate::kMapped},
      {"-a never,exit -F arch=b64 -S openat -F exe=/usr/bin/x", Fate::kNoise},
      {"-a always,exit -S sethostname -k net", Fate::kPassThrough},
      {"-a always,exit -S all -F exit=-EINVAL", Fate::kPassThrough},
      {"-a always,exit -S openat -F subj_type=x_t", Fate::kPassThrough},
      {"-a never,filesystem -F fstype=tracefs", Fate::kPassThrough},
      {"-a always,exclude -F msgtype=CWD", Fate::kPassThrough},
      {"-a task,never", Fate::kRefused},
      {"-a always,exit -S", Fate::kRefused},
      {"-w shadow", Fate::kRefused},
      {"-x 1", Fate::kRefused},
      {"hello", Fate::kRefused},
      {"-D", Fate::kSetting},
      {"-b 8192", Fate::kSetting},
      {"--backlog_wait_time 60000", Fate::kSetting},
  };
  for (const auto& [text, fate] : kLines) {
    const Import import = Of(text);
    ASSERT_EQ(import.lines.size(), 1u) << text;
    EXPECT_EQ(import.lines[0].fate, fate) << text << ": " << import.lines[0].reason;
    EXPECT_EQ(import.lines[0].reason.empty(), fate == Fate::kMapped) << text;
    EXPECT_EQ(Problems(import.yaml), "") << text << "\n" << import.yaml;
  }
}

TEST(ImportAuditd, ConditionsSayWhatTheLineSaid) {
  EXPECT_THAT(Of("-a always,exit -F arch=b64 -S openat -F exit=-EACCES -F auid>=1000 -F "
                 "auid!=unset -k a")
                  .yaml,
              HasSubstr("when: '!compat && error == \"EACCES\" && process.auid >= 1000 && "
                        "process.auid != unset'"));
  EXPECT_THAT(Of("-a always,exit -S openat -F dir=/srv").yaml,
              HasSubstr("on: [file.create]\n    when: '\"create\" in file.access && "));
  EXPECT_THAT(Of("-a always,exit -S openat -S mkdir -F dir=/srv").yaml,
              HasSubstr("on: [file.create, file.open]\n    when: '(file.path == "));
  EXPECT_THAT(Of("-w /etc/ssh/ -p r").yaml, HasSubstr("on: [file.create, file.open]"));
  EXPECT_THAT(Of("-w /etc/ssh/ -p wa").yaml,
              HasSubstr("(file.path == \"/etc/ssh\" || file.path.startsWith(\"/etc/ssh/\"))"));
  EXPECT_THAT(Of("-a always,exit -S execve -C uid!=euid").yaml,
              HasSubstr("process.uid != process.euid"));
}

// Every rule file of Debian's package, where tools/setup unpacked it.
TEST(ImportAuditd, DebiansRuleFilesAreMappedOrReportedLineByLine) {
  const std::string root = SourcePath("build/debian/auditd");
  std::error_code error;
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root, error)) {
    if (!absl::EndsWith(entry.path().string(), ".rules")) continue;
    const auto text = ReadFile(entry.path().string(), 1 << 20);
    ASSERT_TRUE(text.ok());
    const Import import = ImportAuditd({{entry.path().string(), *text}});
    for (const ImportedLine& line : import.lines) {
      EXPECT_TRUE(line.fate == Fate::kMapped || !line.reason.empty()) << line.text;
      const bool never_all = absl::StrContains(line.text, "task,never");
      EXPECT_EQ(line.fate == Fate::kRefused, never_all) << line.text << ": " << line.reason;
    }
    EXPECT_EQ(Problems(import.yaml), "") << entry.path();
    ++files;
  }
  if (files == 0) GTEST_SKIP() << "SKIPPED: no rule files in " << root << " (tools/setup)";
  EXPECT_GE(files, 30u);
}

}  // namespace
}  // namespace cairn::policy
