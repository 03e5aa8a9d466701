#include "ledger/rotation.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/format.h"
#include "ledger/incarnation.h"
#include "ledger/reader.h"
#include "tests/ledger/each_record.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

constexpr char kHost[] = "test.example/h/00000000-0000-4000-8000-000000000001";

class RotationTest : public testing::Test {
 protected:
  LedgerOptions Options() {
    LedgerOptions options;
    options.dir = dir_.path();
    options.origin = kHost;
    options.environment = "production";
    return options;
  }

  VerifierKey Key(int incarnation, const SigningKey& key) const {
    return {absl::StrCat(kHost, "/", incarnation), SignatureType::kEd25519, key.public_key()};
  }

  Report Verify(int incarnation, const VerifierKey& key) {
    VerifyOptions options;
    options.key = key;
    return VerifyLog(absl::StrCat(dir_.path(), "/", incarnation), options);
  }

  // How many agent.key_rotated records an incarnation holds.
  int Rotations(int incarnation) {
    int count = 0;
    ForEachRecord(absl::StrCat(dir_.path(), "/", incarnation), [&](const LoggedRecord& record) {
      count += record.record->type() == AGENT_KEY_ROTATED ? 1 : 0;
    });
    return count;
  }

  TempDir dir_;
  const SigningKey old_ = SigningKey::Generate();
  const SigningKey new_ = SigningKey::Generate();
};

TEST_F(RotationTest, TheOldKeyVouchesForTheNextIncarnation) {
  {
    auto first = OpenNewestIncarnation(Options(), old_);
    ASSERT_TRUE(first.ok()) << first.status();
    ASSERT_TRUE(first->ledger->Close("stop").ok());
  }
  auto rotated = RotateKey(Options(), old_, new_);
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  EXPECT_EQ(rotated->origin, absl::StrCat(kHost, "/2"));
  ASSERT_TRUE(rotated->ledger->Close("stop").ok());
  rotated->ledger.reset();

  EXPECT_EQ(Verify(1, Key(1, old_)).verdict, Verdict::kOk);
  EXPECT_EQ(Verify(2, Key(2, new_)).verdict, Verdict::kOk);
  // Whoever pinned the old key needs nothing else.
  EXPECT_EQ(Verify(2, Key(1, old_)).verdict, Verdict::kOk);
  EXPECT_NE(Verify(2, Key(1, new_)).verdict, Verdict::kOk);
  EXPECT_EQ(Rotations(1), 1);
  EXPECT_EQ(Rotations(2), 1);

  // The next start goes on with the new key; doing it again changes nothing.
  auto again = RotateKey(Options(), old_, new_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->origin, absl::StrCat(kHost, "/2"));
}

TEST_F(RotationTest, AForgedNoteMovesNobody) {
  ASSERT_TRUE(RotateKey(Options(), old_, new_).ok());
  const SigningKey thief = SigningKey::Generate();
  const std::string path = absl::StrCat(dir_.path(), "/2/", kRotationFile);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  WriteAllTo(path, MakeRotation(Key(1, old_), Key(2, new_), thief));
  EXPECT_NE(Verify(2, Key(1, old_)).verdict, Verdict::kOk);
}

TEST_F(RotationTest, ANoteIsForALaterLogOfTheSameHost) {
  const VerifierKey old_key = Key(1, old_);
  EXPECT_TRUE(CheckRotation(MakeRotation(old_key, Key(2, new_), old_), old_key).ok());
  EXPECT_EQ(RotatedKey(MakeRotation(old_key, Key(2, new_), old_))->ToString(), old_key.ToString());
  VerifierKey elsewhere = Key(2, new_);
  elsewhere.name = "test.example/h/00000000-0000-4000-8000-000000000002/2";
  for (const VerifierKey& bad : {Key(1, new_), elsewhere}) {
    EXPECT_TRUE(absl::IsDataLoss(CheckRotation(MakeRotation(old_key, bad, old_), old_key).status()))
        << bad.name;
  }
  // By another key of the same name, or of another name.
  EXPECT_TRUE(
      absl::IsDataLoss(CheckRotation(MakeRotation(old_key, Key(2, new_), new_), old_key).status()));
  EXPECT_FALSE(CheckRotation("", old_key).ok());
  EXPECT_FALSE(CheckRotation("cairn/key-rotation/v1\n\n", old_key).ok());
}

}  // namespace
}  // namespace cairn::ledger
