// Real logs of many distributions, and the same logs damaged, beside what libauparse reads in them.
#include <auparse.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/capture/audit_text.h"
#include "agent/capture/audit_types.h"
#include "gtest/gtest.h"
#include "policy/schema.h"
#include "tests/capture/audit_events.h"

// libauparse forgets some memory over what it cannot read.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libauparse"; }

namespace cairn::capture {
namespace {

// "seconds.milli:serial" to its records, each "type name=value name=value".
using Records = std::map<std::string, std::set<std::string>>;

// Fields whose meaning does not depend on the reader's taste. libauparse splits "op" at blanks
// and rewrites others.
bool IsCompared(absl::string_view name) {
  static const auto& names = *new std::set<std::string>(
      {"pid",      "ppid",     "uid",   "auid",    "gid",  "euid",    "suid",      "fsuid",
       "egid",     "sgid",     "ses",   "comm",    "exe",  "name",    "cwd",       "inode",
       "dev",      "mode",     "item",  "argc",    "acct", "res",     "terminal",  "addr",
       "unit",     "saddr",    "items", "success", "exit", "syscall", "proctitle", "nametype",
       "scontext", "tcontext", "a0",    "a1",      "a2",   "a3",      "old-auid",  "uring_op"});
  return names.count(std::string(name.data(), name.size())) != 0;
}

std::string Key(uint64_t wall_ms, uint64_t serial) {
  return absl::StrCat(wall_ms / 1000, ".", wall_ms % 1000, ":", serial);
}

Records ByLibauparse(const std::string& log) {
  Records records;
  auparse_state_t* state = auparse_init(AUSOURCE_BUFFER, log.c_str());
  while (auparse_next_event(state) > 0) {
    const au_event_t* stamp = auparse_get_timestamp(state);
    if (stamp == nullptr) continue;
    const std::string key =
        Key(static_cast<uint64_t>(stamp->sec) * 1000 + stamp->milli, stamp->serial);
    auparse_first_record(state);
    do {
      const int type = auparse_get_type(state);
      if (type == audit::kEoe) continue;
      std::string line = absl::StrCat(type);
      if (auparse_first_field(state) > 0) do {
          const char* name = auparse_get_field_name(state);
          const char* value = auparse_get_field_str(state);
          if (name != nullptr && value != nullptr && IsCompared(name)) {
            absl::StrAppend(&line, " ", name, "=", value);
          }
        } while (auparse_next_field(state) > 0);
      records[key].insert(line);
    } while (auparse_next_record(state) > 0);
  }
  auparse_destroy(state);
  return records;
}

void AppendFields(absl::string_view text, std::string* line) {
  AuditFields fields(text);
  for (AuditField field; fields.Next(&field);) {
    if (!IsCompared(field.name)) continue;
    const char* quote = field.quoted ? "\"" : "";
    absl::StrAppend(line, " ", field.name, "=", quote, field.value, quote);
  }
}

Records ByCairn(const std::string& log) {
  Records records;
  AuditAssembler assembler;
  const auto sink = [&records](const AuditEvent& event) {
    const std::string key = Key(event.stamp.wall_ms, event.stamp.serial);
    for (const AuditEvent::Line& record : event.lines()) {
      std::string line = absl::StrCat(record.type);
      const AuditUserText split = SplitAuditUserText(event.text(record));
      AppendFields(split.kernel, &line);
      AppendFields(split.message, &line);
      records[key].insert(line);
    }
  };
  for (absl::string_view line : absl::StrSplit(log, '\n')) {
    const auto parsed = ParseAuditLogLine(line);
    if (parsed) assembler.Add(parsed->stamp, parsed->type, parsed->text, 0, sink);
  }
  assembler.Flush(sink);
  return records;
}

// The files of the corpus, comments and blank lines left out: name to text.
std::map<std::string, std::string> Corpus() {
  std::map<std::string, std::string> files;
  const std::string directory = CorpusDirectory();
  if (directory.empty()) return files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path());
    std::string text;
    for (std::string line; std::getline(in, line);) {
      if (absl::StrContains(line, "msg=audit(")) absl::StrAppend(&text, line, "\n");
    }
    files[entry.path().filename()] = text;
  }
  return files;
}

#define NEED_CORPUS(files)                                           \
  const auto files = Corpus();                                       \
  if (files.empty())                                                 \
  GTEST_SKIP() << "SKIPPED: no corpora/audit-logs in $CAIRN_SHARED " \
                  "or ../shared"

// What differs, readably. Stamps in `except` may, and those of no record before the damage:
// libauparse takes a stamp that was cut off for one.
std::string Difference(const Records& ours, const Records& theirs,
                       const std::set<std::string>& except = {}, const Records* before = nullptr) {
  std::string out;
  for (const auto& [key, records] : theirs) {
    if (except.count(key) != 0 || (before != nullptr && before->count(key) == 0)) continue;
    const auto found = ours.find(key);
    if (found != ours.end() && found->second == records) continue;
    absl::StrAppend(
        &out, key, "\n  libauparse: ", absl::StrJoin(records, "\n              "),
        "\n  cairn:      ",
        found == ours.end() ? "nothing" : absl::StrJoin(found->second, "\n              "), "\n");
  }
  return out;
}

// A record that does not fit its schema is quarantined: no real event may be.
TEST(AuditCorpus, EveryEventFitsItsSchema) {
  NEED_CORPUS(files);
  size_t events = 0;
  for (const auto& [name, text] : files) {
    for (const DecodedEvent& event : DecodeLog(text)) {
      const char* fault = policy::SchemaFault(event.record);
      EXPECT_EQ(fault, nullptr) << name << ": " << fault << ": " << event.record.ShortDebugString();
      ++events;
    }
  }
  EXPECT_GT(events, 100u);
}

TEST(AuditCorpus, EveryFileReadsAsLibauparseReadsIt) {
  NEED_CORPUS(files);
  for (const auto& [name, text] : files) {
    const Records theirs = ByLibauparse(text);
    EXPECT_FALSE(theirs.empty()) << name;
    EXPECT_EQ(Difference(ByCairn(text), theirs), "") << name;
  }
}

// Every stamp is one event, and its record keeps what there is. A user message is not held back
// for the system call that some kernels tell of after it: that follows, marked late.
TEST(AuditCorpus, EveryEventIsARecord) {
  NEED_CORPUS(files);
  for (const auto& [name, text] : files) {
    std::set<std::string> seen;
    for (const DecodedEvent& event : DecodeLog(text)) {
      const std::string key = Key(event.stamp.wall_ms, event.stamp.serial);
      EXPECT_TRUE(seen.insert(key).second || event.record.audit().late())
          << name << ": " << key << " came twice";
      EXPECT_NE(event.record.type(), UNKNOWN_EVENT) << name << ": " << key;
      EXPECT_FALSE(event.record.audit().text().empty());
      EXPECT_FALSE(event.record.SerializeAsString().empty());
    }
  }
}

// Events known by hand, by file.
TEST(AuditCorpus, KnownEvents) {
  NEED_CORPUS(files);
  const auto types = [&files](const std::string& name) {
    std::map<EventType, int> counts;
    const auto file = files.find(name);
    EXPECT_TRUE(file != files.end()) << name;
    if (file == files.end()) return counts;
    for (const DecodedEvent& event : DecodeLog(file->second)) ++counts[event.record.type()];
    return counts;
  };
  using Counts = std::map<EventType, int>;
  EXPECT_EQ(types("record-avc-apparmor.txt"), (Counts{{AUDIT_CONFIG_CHANGE, 1}}));
  EXPECT_EQ(types("record-connect.txt"), (Counts{{NET_CONNECT, 2}}));
  EXPECT_EQ(types("record-bind-ipv4-bigendian.txt"), (Counts{{NET_BIND, 1}}));
  EXPECT_EQ(types("record-login.txt"), (Counts{{AUTH_LOGIN, 1}}));
  EXPECT_EQ(types("record-ptrace.txt"), (Counts{{PROCESS_PTRACE, 1}}));
  EXPECT_EQ(types("record-execve.txt"), (Counts{{PROCESS_EXEC, 1}}));
  EXPECT_EQ(types("record-uringop.txt"), (Counts{{FILE_OPEN, 1}}));
  EXPECT_EQ(types("record-adjntpval.txt"), (Counts{{KERNEL_CLOCK_SET, 1}}));
  EXPECT_EQ(types("line-user-acct.txt"), (Counts{{AUTH_CREDENTIAL, 1}}));
}

TEST(AuditCorpus, LongArgumentIsWholeUpToTheBound) {
  NEED_CORPUS(files);
  const DecodedEvent event = DecodeOne(files.at("record-execve-long.txt"));
  ASSERT_EQ(event.actor.process.argv_size(), 2);
  EXPECT_EQ(event.actor.process.argv(0), "/bin/echo");
  EXPECT_EQ(event.actor.process.argv(1).substr(0, 3), "baa");
}

// A log damaged in one way; the stamps whose lines were touched.
struct Damaged {
  std::string text;
  std::set<std::string> touched;
};

Damaged Damage(const std::string& text, std::mt19937* random) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  Damaged damaged;
  const auto touch = [&damaged](const std::string& line) {
    const auto parsed = ParseAuditLogLine(line);
    if (parsed) damaged.touched.insert(Key(parsed->stamp.wall_ms, parsed->stamp.serial));
  };
  const auto pick = [random](size_t size) { return (*random)() % size; };
  for (int i = 0; i < 3 && lines.size() > 1; ++i) {
    const size_t at = pick(lines.size());
    std::string& line = lines[at];
    if (line.empty()) continue;
    switch (pick(5)) {
      case 0:
        std::swap(line, lines[at + 1 < lines.size() ? at + 1 : at - 1]);
        break;
      case 1:
        lines.erase(lines.begin() + static_cast<ptrdiff_t>(at));
        break;
      case 2:
        lines.insert(lines.begin() + static_cast<ptrdiff_t>(at), std::string(line));
        break;
      case 3:
        touch(line);
        line.resize(pick(line.size()));
        break;
      default:
        touch(line);
        line[pick(line.size())] ^= static_cast<char>(1 + pick(127));
        std::replace(line.begin(), line.end(), '\n', ' ');
        touch(line);
        break;
    }
  }
  damaged.text = absl::StrJoin(lines, "\n") + "\n";
  return damaged;
}

TEST(AuditCorpus, DamagedLogsStillReadAsLibauparseReadsThem) {
  NEED_CORPUS(files);
  std::mt19937 random(20240607);
  for (const auto& [name, text] : files) {
    const Records before = ByLibauparse(text);
    for (int round = 0; round < 150; ++round) {
      const Damaged damaged = Damage(text, &random);
      const std::string difference =
          Difference(ByCairn(damaged.text), ByLibauparse(damaged.text), damaged.touched, &before);
      ASSERT_EQ(difference, "") << name << ", round " << round << "\n" << damaged.text;
      DecodeLog(damaged.text);
    }
  }
}

}  // namespace
}  // namespace cairn::capture
