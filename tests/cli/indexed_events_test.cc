// `cairn events` on a log large enough for an index prints what it prints without one.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using ledger::ReadAll;
using ledger::TempDir;
using ledger::TestLog;
using ledger::WriteAllTo;

constexpr uintmax_t kWorthIndexing = 64 << 20;  // cli/indexed_log.cc

// A hundred commits on a slow disk would take minutes.
class NeverWaits : public Io {
 public:
  int Fdatasync(int) override { return 0; }
  int Fsync(int) override { return 0; }
};

class IndexedEvents : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    static NeverWaits io;
    log_ = new TestLog(&io);
    log_->limits.compress = false;
    ASSERT_TRUE(log_->Open().ok());
    const std::string tail(180, 'x');
    for (int i = 0; log_->ledger->stats().stored_bytes < kWorthIndexing * 5 / 4; ++i) {
      const char* const where = i % 50000 == 7 ? "/srv/rare/" : "/srv/common/";
      ASSERT_TRUE(log_->Append(absl::StrCat(where, i, "-", tail), 100 + i % 8).ok());
      if (i % 100 == 0) log_->Advance(absl::Milliseconds(1));
    }
    log_->Advance(absl::Seconds(1));
  }
  static void TearDownTestSuite() {
    delete log_;
    log_ = nullptr;
  }

  // What `cairn events ARGUMENTS LOG` prints; `indexed`: it has a place for an index.
  std::string Events(const std::string& arguments, bool indexed) {
    std::string output;
    const std::string place =
        indexed ? absl::StrCat("XDG_CACHE_HOME=", cache_.path()) : "-u HOME -u XDG_CACHE_HOME";
    EXPECT_EQ(Shell(absl::StrCat("env ", place, " ", ProgramPath("cairn"), " events ", arguments,
                                 " ", log_->dir.path()),
                    &output),
              0);
    return output;
  }
  // Index files there are.
  std::vector<fs::path> Indexes() const {
    std::vector<fs::path> found;
    for (const auto& file : fs::recursive_directory_iterator(cache_.path())) {
      if (file.path().extension() == ".idx") found.push_back(file.path());
    }
    return found;
  }

  static TestLog* log_;
  TempDir cache_;
};

TestLog* IndexedEvents::log_ = nullptr;

constexpr char kRare[] = "--where \"file.path.startsWith('/srv/rare/')\"";

TEST_F(IndexedEvents, PrintTheSameInEveryForm) {
  for (const char* const form : {"-o json", "-o csv", "-o table"}) {
    const std::string arguments = absl::StrCat(form, " ", kRare);
    const std::string expected = Events(arguments, false);
    EXPECT_TRUE(Indexes().empty() || form != std::string("-o json"));
    EXPECT_GT(std::count(expected.begin(), expected.end(), '\n'), 3) << form;
    EXPECT_EQ(Events(arguments, true), expected) << form;
    EXPECT_EQ(Events(arguments, true), expected) << form << ", index from disk";
    EXPECT_FALSE(Indexes().empty());
  }
}

TEST_F(IndexedEvents, ADamagedIndexHidesNothing) {
  const std::string expected = Events(kRare, true);
  ASSERT_FALSE(Indexes().empty());
  for (const fs::path& index : Indexes()) {
    std::string bytes = ReadAll(index);
    for (size_t at = 40; at < bytes.size(); at += 101) bytes[at] = '\0';
    WriteAllTo(index, bytes);
  }
  EXPECT_EQ(Events(kRare, true), expected);
}

TEST_F(IndexedEvents, NothingIsKeptForWhatRulesNothingOut) {
  EXPECT_EQ(Events("--since 2100-01-01 -o json", true), "");
  EXPECT_TRUE(Indexes().empty());
}

}  // namespace
}  // namespace cairn
