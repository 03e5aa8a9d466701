#include "ledger/note.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/utf8.h"
#include "ledger/format.h"
#include "ledger/hash.h"

namespace cairn::ledger {
namespace {

constexpr absl::string_view kDash = "\xe2\x80\x94 ";  // em dash and a space
constexpr size_t kMaxSignatures = 16;

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("note: ", what));
}

// Base64 (RFC 4648 §4) that is exactly what an encoder would write.
bool DecodeBase64(absl::string_view text, std::string* out) {
  return absl::Base64Unescape(text, out) && absl::Base64Escape(*out) == text;
}

// Key names: not empty, no white space, no plus (c2sp.org/signed-note).
bool GoodName(absl::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isspace(static_cast<unsigned char>(c)) || c == '+' ||
           absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

std::string TypedKey(const VerifierKey& key) {
  return absl::StrCat(absl::string_view(reinterpret_cast<const char*>(&key.type), 1),
                      key.public_key);
}

uint32_t KeyId(absl::string_view name, SignatureType type, absl::string_view public_key) {
  VerifierKey key;
  key.name = std::string(name);
  key.type = type;
  key.public_key = std::string(public_key);
  return key.Id();
}

std::string CosignedMessage(absl::string_view text, uint64_t time_s) {
  return absl::StrCat("cosignature/v1\ntime ", time_s, "\n", text);
}

absl::StatusOr<NoteSignature> ParseSignature(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kDash)) return Bad("a signature line lacks its dash");
  const size_t space = line.find(' ');
  NoteSignature signature;
  std::string bytes;
  if (space == absl::string_view::npos || !GoodName(line.substr(0, space)) ||
      !DecodeBase64(line.substr(space + 1), &bytes)) {
    return Bad("a signature line is not name and base64");
  }
  if (bytes.size() < 5 || bytes.size() > kMaxNoteBytes) return Bad("a signature is too short");
  signature.name = std::string(line.substr(0, space));
  signature.id = GetU32(bytes.data());
  signature.bytes = bytes.substr(4);
  return signature;
}

}  // namespace

absl::StatusOr<VerifierKey> VerifierKey::Parse(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const auto bad = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        "verifier key '", EscapeBytes(text.substr(0, 200)), "': ", what, " (name+hash+base64)"));
  };
  const size_t first = text.find('+');
  if (first == absl::string_view::npos) return bad("no '+'");
  const size_t second = text.find('+', first + 1);
  if (second == absl::string_view::npos) return bad("only one '+'");
  const absl::string_view name = text.substr(0, first);
  const absl::string_view hash = text.substr(first + 1, second - first - 1);
  std::string key_bytes;
  if (!GoodName(name)) return bad("bad name");
  if (!DecodeBase64(text.substr(second + 1), &key_bytes)) return bad("bad base64");
  if (key_bytes.size() != 33) return bad("not a type byte and 32 bytes");
  VerifierKey key;
  key.name = std::string(name);
  key.type = static_cast<SignatureType>(key_bytes[0]);
  key.public_key = key_bytes.substr(1);
  if (key.type != SignatureType::kEd25519 && key.type != SignatureType::kCosignature) {
    return bad("a key type that is neither Ed25519 (1) nor cosignature (4)");
  }
  std::string id;
  PutU32(&id, key.Id());
  if (absl::BytesToHexString(id) != hash) return bad("its hash is of another key");
  return key;
}

std::string VerifierKey::ToString() const {
  std::string id;
  PutU32(&id, Id());
  return absl::StrCat(name, "+", absl::BytesToHexString(id), "+",
                      absl::Base64Escape(TypedKey(*this)));
}

uint32_t VerifierKey::Id() const {
  const Hash hash = Sha256({name, "\n", TypedKey(*this)});
  return GetU32(reinterpret_cast<const char*>(hash.data()));
}

absl::StatusOr<Note> Note::Parse(absl::string_view bytes) {
  if (bytes.size() > kMaxNoteBytes) return Bad("longer than 32 KiB");
  for (const char c : bytes) {
    if (c != '\n' && absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return Bad("holds a control character");
    }
  }
  if (!IsUtf8(bytes)) return Bad("is not UTF-8");
  const size_t split = bytes.rfind("\n\n");
  if (split == absl::string_view::npos) return Bad("no blank line before the signatures");
  Note note;
  note.text = std::string(bytes.substr(0, split + 1));
  absl::string_view rest = bytes.substr(split + 2);
  if (rest.empty() || rest.back() != '\n') return Bad("does not end in a signature line");
  rest.remove_suffix(1);
  const std::vector<absl::string_view> lines = absl::StrSplit(rest, '\n');
  if (lines.size() > kMaxSignatures) return Bad("more than 16 signatures");
  for (const absl::string_view line : lines) {
    ASSIGN_OR_RETURN(NoteSignature signature, ParseSignature(line));
    note.signatures.push_back(std::move(signature));
  }
  return note;
}

std::string Note::ToString() const {
  std::string out = absl::StrCat(text, "\n");
  for (const NoteSignature& signature : signatures) {
    std::string bytes;
    PutU32(&bytes, signature.id);
    bytes += signature.bytes;
    absl::StrAppend(&out, kDash, signature.name, " ", absl::Base64Escape(bytes), "\n");
  }
  return out;
}

absl::StatusOr<Checkpoint> Checkpoint::Parse(absl::string_view text) {
  const auto bad = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint: ", what));
  };
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 4 || !lines[3].empty()) {
    return bad("not exactly three lines (origin, size, root)");
  }
  Checkpoint checkpoint;
  if (lines[0].empty()) return bad("empty origin");
  checkpoint.origin = std::string(lines[0]);
  if (!absl::SimpleAtoi(lines[1], &checkpoint.size) || absl::StrCat(checkpoint.size) != lines[1]) {
    return bad("the size is not a plain decimal number");
  }
  if (!DecodeBase64(lines[2], &checkpoint.root) || checkpoint.root.size() != kHashBytes) {
    return bad("the root is not base64 of 32 bytes");
  }
  return checkpoint;
}

std::string Checkpoint::ToText() const {
  return absl::StrCat(origin, "\n", size, "\n", absl::Base64Escape(root), "\n");
}

NoteSignature SignNote(absl::string_view text, absl::string_view name, const SigningKey& key) {
  return {std::string(name), KeyId(name, SignatureType::kEd25519, key.public_key()),
          key.Sign(text)};
}

NoteSignature CosignNote(absl::string_view text, absl::string_view name, const SigningKey& key,
                         uint64_t time_s) {
  std::string bytes;
  PutU64(&bytes, time_s);
  bytes += key.Sign(CosignedMessage(text, time_s));
  return {std::string(name), KeyId(name, SignatureType::kCosignature, key.public_key()), bytes};
}

NoteCheck CheckNote(const Note& note, const VerifierKey& key, uint64_t* time_s) {
  const uint32_t id = key.Id();
  NoteCheck check = NoteCheck::kAbsent;
  for (const NoteSignature& signature : note.signatures) {
    if (signature.id != id || signature.name != key.name) continue;
    if (key.type == SignatureType::kEd25519) {
      if (!VerifySignature(key.public_key, note.text, signature.bytes)) return NoteCheck::kInvalid;
    } else {
      if (signature.bytes.size() != 8 + 64) return NoteCheck::kInvalid;
      const uint64_t time = GetU64(signature.bytes.data());
      if (!VerifySignature(key.public_key, CosignedMessage(note.text, time),
                           absl::string_view(signature.bytes).substr(8))) {
        return NoteCheck::kInvalid;
      }
      if (time_s != nullptr) *time_s = time;
    }
    check = NoteCheck::kValid;
  }
  return check;
}

}  // namespace cairn::ledger
