#include "ledger/rotation.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace cairn::ledger {
namespace {

constexpr absl::string_view kFirstLine = "cairn/key-rotation/v1";

// "<deployment>/h/<uuid>" and the incarnation; 0 when the name is no origin.
std::pair<absl::string_view, uint64_t> SplitOrigin(absl::string_view origin) {
  const size_t slash = origin.find_last_of('/');
  uint64_t incarnation = 0;
  if (slash == absl::string_view::npos ||
      !absl::SimpleAtoi(origin.substr(slash + 1), &incarnation)) {
    return {"", 0};
  }
  return {origin.substr(0, slash), incarnation};
}

struct Keys {
  VerifierKey before;
  VerifierKey after;
};

absl::StatusOr<Keys> ParseKeys(absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 4 || lines[0] != kFirstLine || !lines[3].empty()) {
    return absl::InvalidArgumentError("not a key rotation note");
  }
  Keys keys;
  ASSIGN_OR_RETURN(keys.before, VerifierKey::Parse(lines[1]));
  ASSIGN_OR_RETURN(keys.after, VerifierKey::Parse(lines[2]));
  return keys;
}

}  // namespace

std::string MakeRotation(const VerifierKey& old_key, const VerifierKey& new_key,
                         const SigningKey& key) {
  Note note;
  note.text = absl::StrCat(kFirstLine, "\n", old_key.ToString(), "\n", new_key.ToString(), "\n");
  note.signatures.push_back(SignNote(note.text, old_key.name, key));
  return note.ToString();
}

absl::StatusOr<VerifierKey> RotatedKey(absl::string_view text) {
  ASSIGN_OR_RETURN(const Note note, Note::Parse(text));
  ASSIGN_OR_RETURN(const Keys keys, ParseKeys(note.text));
  return keys.before;
}

absl::StatusOr<VerifierKey> CheckRotation(absl::string_view text, const VerifierKey& old_key) {
  ASSIGN_OR_RETURN(const Note note, Note::Parse(text));
  ASSIGN_OR_RETURN(const Keys keys, ParseKeys(note.text));
  if (keys.before.ToString() != old_key.ToString() ||
      CheckNote(note, old_key) != NoteCheck::kValid) {
    return absl::DataLossError("the key rotation is not signed by the key it replaces");
  }
  const auto [old_host, old_incarnation] = SplitOrigin(old_key.name);
  const auto [new_host, new_incarnation] = SplitOrigin(keys.after.name);
  if (old_host.empty() || old_host != new_host || new_incarnation <= old_incarnation ||
      keys.after.type != SignatureType::kEd25519) {
    return absl::DataLossError("the key rotation's new key is not of a later log of the same host");
  }
  return keys.after;
}

}  // namespace cairn::ledger
