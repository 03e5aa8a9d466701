// A collector and a host whose log key was replaced.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "collector/hosts.h"
#include "ledger/rotation.h"
#include "tests/ledger/test_log.h"

namespace cairn::collector {
namespace {

constexpr char kUuid[] = "00000000-0000-4000-8000-000000000001";

ledger::VerifierKey Key(int incarnation, const ledger::SigningKey& key) {
  return {absl::StrCat("test.example/h/", kUuid, "/", incarnation), ledger::SignatureType::kEd25519,
          key.public_key()};
}

TEST(RotatedKey, IsEnrolledByTheOldOneAlone) {
  const ledger::TempDir dir;
  Hosts hosts(dir.path(), false);
  const auto old_key = ledger::SigningKey::Generate();
  const auto new_key = ledger::SigningKey::Generate();
  const auto stranger = ledger::SigningKey::Generate();
  const auto origin = Origin::Parse(Key(4, new_key).name);
  ASSERT_TRUE(origin.ok());
  ASSERT_TRUE(hosts.Add(kUuid, Key(1, old_key)).ok());

  const std::string shown = Key(4, new_key).ToString();
  EXPECT_FALSE(hosts.Trust(*origin, shown).ok());
  // Signed by a key that is not enrolled; by the right one, for another key; not a note.
  const std::string forged = ledger::MakeRotation(Key(3, stranger), Key(4, new_key), stranger);
  const std::string for_another = ledger::MakeRotation(Key(3, old_key), Key(4, stranger), old_key);
  const std::string by_another = ledger::MakeRotation(Key(3, old_key), Key(4, new_key), stranger);
  for (const std::string& note : {forged, for_another, by_another, std::string("note")}) {
    EXPECT_FALSE(hosts.Trust(*origin, shown, note).ok()) << note;
  }
  const std::string note = ledger::MakeRotation(Key(3, old_key), Key(4, new_key), old_key);
  EXPECT_TRUE(hosts.Trust(*origin, shown, note).ok());
  EXPECT_TRUE(hosts.Trust(*origin, shown).ok()) << "it is enrolled from then on";
}

}  // namespace
}  // namespace cairn::collector
