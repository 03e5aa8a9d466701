// Attacks on signed notes: what is no note is refused, and a signature is what its type says.
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ledger/note.h"
#include "tests/attack/attack.h"
#include "tests/attack/forge.h"

namespace cairn::attack {
namespace {

using ledger::CheckNote;
using ledger::Checkpoint;
using ledger::Note;
using ledger::NoteCheck;
using ledger::SigningKey;
using ledger::VerifierKey;

class AttackOnNotes : public AttackTest {
 protected:
  void SetUp() override {
    AttackTest::SetUp();
    note_ = NewestNote();
    ASSERT_TRUE(Note::Parse(note_).ok());
  }
  // The log with `note` as a receipt: refused notes vouch for nothing and break nothing.
  void ExpectIgnored(const std::string& note) {
    EXPECT_FALSE(Note::Parse(note).ok() &&
                 CheckNote(*Note::Parse(note), log_.verifier_key()) == NoteCheck::kValid &&
                 CheckNote(*Note::Parse(note), CollectorKey()) == NoteCheck::kValid)
        << note;
    // Beside the log it is a remark; named by the caller it must count, or the end may be missing.
    const std::string beside = log_.dir.path() + "/receipts";
    std::filesystem::create_directories(beside);
    ledger::WriteAllTo(beside + "/r", note);
    const ledger::Report report = Verify();
    EXPECT_TRUE(Ok(report, kBlocks)) << note;
    EXPECT_EQ(report.receipts, 0u) << note;
    ledger::VerifyOptions with = options();
    with.receipts_dir = beside;
    EXPECT_EQ(Verify(with).verdict, ledger::Verdict::kBadInput) << note;
  }
  std::string note_;
};

TEST_F(AttackOnNotes, CarriageReturns) {
  ShownBy(Anchor::kNone);
  const std::string receipt = Receipt(note_);
  ExpectIgnored(absl::StrReplaceAll(receipt, {{"\n", "\r\n"}}));
  ledger::VerifyOptions through = options();
  for (const std::string& note : {absl::StrReplaceAll(note_, {{"\n", "\r\n"}}), std::string()}) {
    through.through_note = note;
    EXPECT_EQ(Verify(through).verdict, ledger::Verdict::kBadInput) << "a named note must count";
  }
  for (size_t at = receipt.find('\n'); at != std::string::npos; at = receipt.find('\n', at + 1)) {
    std::string bad = receipt;
    bad.insert(at, "\r");
    EXPECT_FALSE(Note::Parse(bad).ok()) << at;
  }
}

TEST_F(AttackOnNotes, ControlCharacters) {
  ShownBy(Anchor::kNone);
  const std::string receipt = Receipt(note_);
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\n') continue;
    for (const size_t at : {size_t{0}, receipt.find('\n'), receipt.size() - 2}) {
      std::string bad = receipt;
      bad.insert(at, 1, static_cast<char>(c));
      EXPECT_FALSE(Note::Parse(bad).ok()) << c << " at " << at;
    }
  }
  std::string bad = receipt;
  bad.insert(3, 1, '\x7f');
  EXPECT_FALSE(Note::Parse(bad).ok());
}

TEST_F(AttackOnNotes, InvalidUtf8) {
  ShownBy(Anchor::kNone);
  const std::string receipt = Receipt(note_);
  for (const char* bytes : {"\xff", "\xc0\x80", "\xe2\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    std::string bad = receipt;
    bad.insert(3, bytes);
    EXPECT_FALSE(Note::Parse(bad).ok()) << absl::CEscape(bytes);
  }
}

TEST_F(AttackOnNotes, UnknownKeysOnly) {
  ShownBy(Anchor::kNone);
  const SigningKey stranger = SigningKey::Generate();
  Note note = *Note::Parse(note_);
  note.signatures = {ledger::SignNote(note.text, "stranger.example", stranger)};
  ExpectIgnored(note.ToString());
  // A stranger's key under the log's own name has another id.
  note.signatures = {ledger::SignNote(note.text, ledger::kTestOrigin, stranger)};
  EXPECT_EQ(CheckNote(note, log_.verifier_key()), NoteCheck::kAbsent);
  ExpectIgnored(note.ToString());
  // With the id copied, the signature is bad.
  note.signatures[0].id = log_.verifier_key().Id();
  EXPECT_EQ(CheckNote(note, log_.verifier_key()), NoteCheck::kInvalid);
  ExpectIgnored(note.ToString());
}

TEST_F(AttackOnNotes, SeventeenSignatures) {
  ShownBy(Anchor::kNone);
  Note note = *Note::Parse(Receipt(note_));
  const ledger::NoteSignature spare = note.signatures[0];
  while (note.signatures.size() < 16) note.signatures.push_back(spare);
  EXPECT_TRUE(Note::Parse(note.ToString()).ok());
  note.signatures.push_back(spare);
  EXPECT_FALSE(Note::Parse(note.ToString()).ok());
  ExpectIgnored(note.ToString());
  while (note.signatures.size() < 5000) note.signatures.push_back(spare);
  ExpectIgnored(note.ToString());
}

TEST_F(AttackOnNotes, NonCanonicalBase64) {
  ShownBy(Anchor::kNone);
  const std::string receipt = Receipt(note_);
  const size_t end = receipt.rfind('\n');
  for (const std::string& bad :
       {receipt.substr(0, end) + "=\n", receipt.substr(0, end) + " \n",
        absl::StrReplaceAll(receipt, {{"+", "-"}, {"/", "_"}}),  // the URL alphabet; and the origin
        receipt.substr(0, end - 1) + "\n"}) {
    ExpectIgnored(bad);
  }
  // The last symbol before the padding carries bits that are not used: they must be zero.
  const size_t root = receipt.find('\n', receipt.find('\n') + 1) + 1;
  const size_t last = receipt.find('=', root) - 1;
  constexpr absl::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int bits = 1; bits < 4; ++bits) {
    std::string bad = receipt;
    bad[last] = kAlphabet[kAlphabet.find(bad[last]) | static_cast<size_t>(bits)];
    if (bad == receipt) continue;
    const auto note = Note::Parse(bad);
    EXPECT_FALSE(note.ok() && Checkpoint::Parse(note->text).ok()) << bad;
  }
}

// One signature's bytes under another's name or type: the id binds name, type and key.
TEST_F(AttackOnNotes, RelabelledSignatureTypes) {
  ShownBy(Anchor::kNone);
  const SigningKey key = SigningKey::Generate();
  const VerifierKey as_log{"n.example", ledger::SignatureType::kEd25519, key.public_key()};
  const VerifierKey as_witness{"n.example", ledger::SignatureType::kCosignature, key.public_key()};
  ASSERT_NE(as_log.Id(), as_witness.Id());
  Note note = *Note::Parse(note_);
  const ledger::NoteSignature plain = ledger::SignNote(note.text, "n.example", key);
  const ledger::NoteSignature witness = ledger::CosignNote(note.text, "n.example", key, 1);
  const auto check = [&](ledger::NoteSignature signature, uint32_t id, const VerifierKey& by) {
    signature.id = id;
    note.signatures = {std::move(signature)};
    return CheckNote(note, by);
  };
  EXPECT_EQ(check(plain, as_log.Id(), as_log), NoteCheck::kValid);
  EXPECT_EQ(check(witness, as_witness.Id(), as_witness), NoteCheck::kValid);
  EXPECT_EQ(check(plain, as_log.Id(), as_witness), NoteCheck::kAbsent);
  EXPECT_EQ(check(plain, as_witness.Id(), as_witness), NoteCheck::kInvalid);
  EXPECT_EQ(check(witness, as_log.Id(), as_log), NoteCheck::kInvalid);
  ledger::NoteSignature with_time = plain;
  with_time.bytes.insert(0, 8, '\0');  // a time in front of the log's own signature
  EXPECT_EQ(check(with_time, as_witness.Id(), as_witness), NoteCheck::kInvalid);
  ledger::NoteSignature without_time = witness;
  without_time.bytes.erase(0, 8);
  EXPECT_EQ(check(without_time, as_log.Id(), as_log), NoteCheck::kInvalid);
}

TEST_F(AttackOnNotes, AnEpochsSignatureInTheLogsPlace) {
  ShownBy(Anchor::kNone);
  Note note = *Note::Parse(note_);
  ASSERT_EQ(note.signatures.size(), 2u);
  for (ledger::NoteSignature& signature : note.signatures) signature.name = ledger::kTestOrigin;
  std::swap(note.signatures[0].bytes, note.signatures[1].bytes);
  EXPECT_EQ(CheckNote(note, log_.verifier_key()), NoteCheck::kInvalid);
  ExpectIgnored(note.ToString());
}

// Two signatures by one key, of which one is bad: not good enough.
TEST_F(AttackOnNotes, AGoodSignatureBesideABadOneOfTheSameKey) {
  ShownBy(Anchor::kNone);
  Note note = *Note::Parse(note_);
  note.signatures.push_back(note.signatures[0]);
  note.signatures.back().bytes[5] ^= 1;
  EXPECT_EQ(CheckNote(note, log_.verifier_key()), NoteCheck::kInvalid);
}

// A note's text is all that is signed; what merely looks like a checkpoint's line is none.
TEST_F(AttackOnNotes, MoreOrOtherLinesThanACheckpointHas) {
  ShownBy(Anchor::kNone);
  const std::string root = absl::Base64Escape(std::string(32, 'r'));
  for (const std::string& text :
       {absl::StrCat("o\n1\n", root, "\nextension\n"), absl::StrCat("o\n1\n", root),
        absl::StrCat("\n1\n", root, "\n"), absl::StrCat("o\n01\n", root, "\n"),
        absl::StrCat("o\n+1\n", root, "\n"), absl::StrCat("o\n-1\n", root, "\n"),
        absl::StrCat("o\n 1\n", root, "\n"), absl::StrCat("o\n0x1\n", root, "\n"),
        absl::StrCat("o\n18446744073709551616\n", root, "\n"), absl::StrCat("o\n1\nAAAA\n"),
        absl::StrCat("o\n1\n", root, root, "\n")}) {
    EXPECT_FALSE(Checkpoint::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace cairn::attack
