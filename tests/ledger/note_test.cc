#include "ledger/note.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace cairn::ledger {
namespace {

constexpr char kText[] = "log.example/h/1\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

SigningKey Key(uint8_t first) {
  const uint8_t seed[32] = {first};
  return SigningKey::FromSeed(Secret32(seed));
}

VerifierKey Vkey(absl::string_view name, SignatureType type, const SigningKey& key) {
  VerifierKey vkey;
  vkey.name = std::string(name);
  vkey.type = type;
  vkey.public_key = key.public_key();
  return vkey;
}

std::string Signed() {
  Note note;
  note.text = kText;
  note.signatures.push_back(SignNote(kText, "log.example/h/1", Key(1)));
  note.signatures.push_back(CosignNote(kText, "witness.example", Key(2), 1790000000));
  return note.ToString();
}

TEST(Note, SignaturesVerifyByTheirOwnKeyAndTypeOnly) {
  const auto note = Note::Parse(Signed());
  ASSERT_TRUE(note.ok()) << note.status();
  const VerifierKey log = Vkey("log.example/h/1", SignatureType::kEd25519, Key(1));
  const VerifierKey witness = Vkey("witness.example", SignatureType::kCosignature, Key(2));
  uint64_t time = 0;
  EXPECT_EQ(CheckNote(*note, log), NoteCheck::kValid);
  EXPECT_EQ(CheckNote(*note, witness, &time), NoteCheck::kValid);
  EXPECT_EQ(time, 1790000000u);
  EXPECT_EQ(CheckNote(*note, Vkey("log.example/h/1", SignatureType::kEd25519, Key(3))),
            NoteCheck::kAbsent);
  EXPECT_EQ(CheckNote(*note, Vkey("witness.example", SignatureType::kEd25519, Key(2))),
            NoteCheck::kAbsent)
      << "a relabelled type is another key";
  Note forged = *note;
  forged.text[0] = 'L';
  EXPECT_EQ(CheckNote(forged, log), NoteCheck::kInvalid);
  EXPECT_EQ(CheckNote(forged, witness), NoteCheck::kInvalid);
}

TEST(Note, MalformedNotesAreRefused) {
  const std::string good = Signed();
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"\n\n", "\n"},
                                                        {"5\n", "5\r\n"},
                                                        {"5\n", "5\x01\n"},
                                                        {"\xe2\x80\x94 log", "- log"},
                                                        {"witness.example ", "witness+example "},
                                                        {"witness.example ", ""}}) {
    EXPECT_FALSE(Note::Parse(absl::StrReplaceAll(good, {{from, to}})).ok()) << from;
  }
  EXPECT_FALSE(Note::Parse(good.substr(0, good.size() - 1)).ok());
  EXPECT_FALSE(Note::Parse("").ok());
  std::string padded = good;
  padded.insert(padded.size() - 1, "=");
  EXPECT_FALSE(Note::Parse(padded).ok()) << "non-canonical base64";
  std::string many = good;
  const std::string line = good.substr(good.find("\xe2\x80\x94 witness"));
  for (int i = 0; i < 15; ++i) many += line;
  EXPECT_FALSE(Note::Parse(many).ok()) << "17 signatures";
}

TEST(Note, CheckpointTextIsExact) {
  ASSERT_TRUE(Checkpoint::Parse(kText).ok());
  EXPECT_EQ(Checkpoint::Parse(kText)->ToText(), kText);
  const std::string root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  for (const std::string& bad :
       {"o\n05\n" + root, "o\n+5\n" + root, "o\n-1\n" + root, "o\n 5\n" + root,
        "o\n18446744073709551616\n" + root, "\n5\n" + root, "o\n5\n" + root + "ext\n",
        std::string("o\n5\nAAAA\n"), std::string("o\n5\n"), std::string("o\n5\n") + "x" + root}) {
    EXPECT_FALSE(Checkpoint::Parse(bad).ok()) << bad;
  }
}

TEST(Note, VerifierKeyTextIsExact) {
  const VerifierKey key = Vkey("a.example", SignatureType::kEd25519, Key(1));
  const auto parsed = VerifierKey::Parse(key.ToString() + "\n");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->public_key, key.public_key);
  std::string other = key.ToString();
  other[0] = 'b';
  EXPECT_FALSE(VerifierKey::Parse(other).ok()) << "the hash is of another name";
  EXPECT_FALSE(VerifierKey::Parse("a+00000000").ok());
  EXPECT_FALSE(VerifierKey::Parse("").ok());
}

}  // namespace
}  // namespace cairn::ledger
