// The collector's own log: tiles on disk, one signed history, whatever happens in between.
#include "collector/own_log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/format.h"
#include "tests/ledger/test_log.h"

namespace cairn::collector {
namespace {

std::unique_ptr<Cosigner> MakeCosigner(uint8_t seed = 5) {
  const uint8_t bytes[32] = {seed};
  return std::make_unique<Cosigner>("collector.example",
                                    ledger::SigningKey::FromSeed(Secret32(bytes)));
}

class OwnLogTest : public ::testing::Test {
 protected:
  void Open(Io* io = Io::Real()) {
    log_.reset();
    auto log = OwnLog::Open(io, dir_.path() + "/own_log", cosigner_.get());
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  void Add(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(log_->Add(absl::StrCat("leaf ", added_++)).ok());
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/own_log/" + name; }
  ledger::Checkpoint Signed() const {
    const auto note = ledger::Note::Parse(ledger::ReadAll(Path("checkpoint")));
    EXPECT_TRUE(note.ok()) << note.status();
    EXPECT_EQ(ledger::CheckNote(*note, cosigner_->log_key()), ledger::NoteCheck::kValid);
    return *ledger::Checkpoint::Parse(note->text);
  }
  // The root over the first `size` leaves, by the tree that host logs use.
  static std::string Root(uint64_t size) {
    ledger::Frontier frontier;
    for (uint64_t i = 0; i < size; ++i) frontier.Add(ledger::LeafHash(absl::StrCat("leaf ", i)));
    return std::string(ledger::View(frontier.Root()));
  }

  const ledger::TempDir dir_;
  const std::unique_ptr<Cosigner> cosigner_ = MakeCosigner();
  std::unique_ptr<OwnLog> log_;
  int added_ = 0;
};

TEST(TileId, PathsAreAsTheSpecificationSpellsThem) {
  EXPECT_EQ((ledger::TileId{0, 0, 256}.Path()), "tile/0/000");
  EXPECT_EQ((ledger::TileId{1, 1234067, 256}.Path()), "tile/1/x001/x234/067");
  EXPECT_EQ((ledger::TileId{2, 1000, 8}.Path()), "tile/2/x001/000.p/8");
  EXPECT_EQ((ledger::TileId{0, 999, 255}.EntriesPath()), "tile/entries/999.p/255");
}

TEST_F(OwnLogTest, EverySizeHasTheRootOfItsLeaves) {
  Open();
  EXPECT_EQ(Signed().size, 0u);
  for (const int more : {1, 1, 253, 1, 1, 300, 512, 1}) {
    Add(more);
    ASSERT_TRUE(log_->Publish().ok());
    EXPECT_EQ(Signed().size, static_cast<uint64_t>(added_));
    EXPECT_EQ(Signed().root, Root(Signed().size)) << added_;
    EXPECT_EQ(log_->size(), Signed().size);
  }
  EXPECT_TRUE(std::filesystem::exists(Path("tile/0/000")));
  EXPECT_FALSE(std::filesystem::exists(Path("tile/0/000.p"))) << "full: the partial ones may go";
  EXPECT_EQ(std::filesystem::file_size(Path("tile/1/000.p/4")), 4u * 32);
  EXPECT_TRUE(std::filesystem::exists(Path("tile/entries/004.p/46")));
}

TEST_F(OwnLogTest, ARestartGoesOnWhereTheSignatureSays) {
  for (int round = 0; round < 6; ++round) {
    Open();
    Add(100);
    log_.reset();  // publishes
    EXPECT_EQ(Signed().size, static_cast<uint64_t>(added_));
    EXPECT_EQ(Signed().root, Root(Signed().size));
  }
}

TEST_F(OwnLogTest, OneProcessWritesIt) {
  Open();
  const auto second = OwnLog::Open(Io::Real(), dir_.path() + "/own_log", cosigner_.get());
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
}

TEST_F(OwnLogTest, TilesOrEntriesThatWereTouchedAreNeverSignedAgain) {
  Open();
  Add(300);
  log_.reset();
  for (const char* name :
       {"tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44", "checkpoint"}) {
    const std::string good = ledger::ReadAll(Path(name));
    for (const std::string& bad :
         {good.substr(1), std::string(1, static_cast<char>(good[0] ^ 1)) + good.substr(1)}) {
      ledger::WriteAllTo(Path(name), bad);
      const auto opened = OwnLog::Open(Io::Real(), dir_.path() + "/own_log", cosigner_.get());
      EXPECT_TRUE(absl::IsDataLoss(opened.status())) << name << opened.status();
    }
    std::filesystem::remove(Path(name));
    const auto opened = OwnLog::Open(Io::Real(), dir_.path() + "/own_log", cosigner_.get());
    EXPECT_TRUE(absl::IsDataLoss(opened.status())) << name << opened.status();
    ledger::WriteAllTo(Path(name), good);
  }
  const auto other = MakeCosigner(9);
  EXPECT_TRUE(
      absl::IsDataLoss(OwnLog::Open(Io::Real(), dir_.path() + "/own_log", other.get()).status()));
  Open();
  EXPECT_EQ(log_->size(), 300u);
}

// Fails the n-th call that changes the disk, and every later one: a crash, or a full disk.
class FailingIo : public Io {
 public:
  explicit FailingIo(int good) : left_(good) {}
  bool failed() const { return left_ < 0; }
  ssize_t Write(int fd, const void* data, size_t size) override {
    return Fails() ? -1 : Io::Write(fd, data, size);
  }
  int Fdatasync(int fd) override { return Fails() ? -1 : Io::Fdatasync(fd); }
  int Fsync(int fd) override { return Fails() ? -1 : Io::Fsync(fd); }
  int Rename(const char* from, const char* to) override {
    return Fails() ? -1 : Io::Rename(from, to);
  }
  int Mkdir(const char* path, mode_t mode) override { return Fails() ? -1 : Io::Mkdir(path, mode); }

 private:
  bool Fails() {
    if (left_ >= 0) --left_;
    if (left_ >= 0) return false;
    errno = ENOSPC;
    return true;
  }
  int left_;
};

// However far a publication came, the next one signs one history: no size has two roots.
TEST_F(OwnLogTest, AFailureAnywhereNeverSignsTwoRootsForOneSize) {
  Open();
  Add(250);
  log_.reset();
  const ledger::TempDir before;
  ledger::CopyLog(dir_.path(), before.path());
  for (int good = 0;; ++good) {
    std::filesystem::remove_all(dir_.path() + "/own_log");
    ledger::CopyLog(before.path(), dir_.path());
    added_ = 250;
    FailingIo io(good);
    auto failing = OwnLog::Open(&io, dir_.path() + "/own_log", cosigner_.get());
    if (failing.ok()) {
      for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE((*failing)->Add(absl::StrCat("leaf ", 250 + i)).ok());
      }
      (*failing)->Publish().IgnoreError();
      failing->reset();
    }
    const uint64_t signed_size = Signed().size;
    EXPECT_TRUE(signed_size == 250 || signed_size == 260) << good;
    EXPECT_EQ(Signed().root, Root(signed_size));
    Open();
    added_ = static_cast<int>(signed_size);
    Add(12);
    ASSERT_TRUE(log_->Publish().ok());
    EXPECT_EQ(Signed().root, Root(signed_size + 12)) << good;
    log_.reset();
    if (!io.failed()) break;
  }
}

TEST(LeafOf, KeepsTheHostsSignatureAlone) {
  const ledger::SigningKey key = ledger::SigningKey::Generate();
  ledger::Note note;
  note.text = ledger::Checkpoint{"o/h/u/1", 7, std::string(32, 'r')}.ToText();
  note.signatures = {ledger::SignNote(note.text, "o/h/u/1", key),
                     ledger::SignNote(note.text, "o/h/u/1/e/0", key),
                     ledger::CosignNote(note.text, "collector.example", key, 1)};
  const auto leaf = LeafOf(note.ToString());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  const auto parsed = ledger::Note::Parse(*leaf);
  ASSERT_EQ(parsed->signatures.size(), 1u);
  EXPECT_EQ(parsed->signatures[0].name, "o/h/u/1");
  note.signatures.erase(note.signatures.begin());
  EXPECT_FALSE(LeafOf(note.ToString()).ok());
}

}  // namespace
}  // namespace cairn::collector
