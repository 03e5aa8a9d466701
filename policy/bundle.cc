#include "policy/bundle.h"

#include <openssl/evp.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "ledger/note.h"

namespace cairn::policy {
namespace {

constexpr absl::string_view kFirstLine = "cairn.policy-bundle/v1";

// The part of a manifest that is signed: all of it, until it is a note.
absl::string_view TextOf(absl::string_view bytes) {
  const size_t blank = bytes.find("\n\n");
  return blank == absl::string_view::npos ? bytes : bytes.substr(0, blank + 1);
}

}  // namespace

bool IsPlainName(absl::string_view name) {
  const auto plain = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), plain) &&
         absl::EndsWith(name, ".yaml");
}

std::string Sha256Of(absl::string_view text) {
  std::string digest(32, '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

absl::StatusOr<Manifest> Manifest::ParseText(absl::string_view text) {
  Manifest manifest;
  manifest.text = std::string(text);
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  const auto wrong = [](size_t line, absl::string_view cause) {
    return absl::InvalidArgumentError(absl::StrCat(line + 1, ":1: ", cause));
  };
  if (lines.size() < 3 || lines[0] != kFirstLine || !lines.back().empty()) {
    return wrong(0, absl::StrCat("a manifest begins with '", kFirstLine, "'"));
  }
  if (!absl::StartsWith(lines[1], "serial ") ||
      !absl::SimpleAtoi(lines[1].substr(7), &manifest.serial) || manifest.serial == 0) {
    return wrong(1, "must be 'serial N', N above 0");
  }
  for (size_t i = 2; i + 1 < lines.size(); ++i) {
    const std::vector<absl::string_view> words = absl::StrSplit(lines[i], absl::MaxSplits(' ', 2));
    const bool good = words.size() == 3 && words[0] == "file" && words[1].size() == 64 &&
                      words[1].find_first_not_of("0123456789abcdef") == absl::string_view::npos &&
                      IsPlainName(words[2]);
    if (!good) return wrong(i, "must be 'file SHA256 NAME.yaml'");
    if (!manifest.files.emplace(words[2], absl::HexStringToBytes(words[1])).second) {
      return wrong(i, "a file that was listed before");
    }
  }
  if (manifest.ToText() != text) return wrong(0, "not in the order of the names");
  return manifest;
}

std::string Manifest::ToText() const {
  std::string out = absl::StrCat(kFirstLine, "\nserial ", serial, "\n");
  for (const auto& [name, digest] : files) {
    absl::StrAppend(&out, "file ", absl::BytesToHexString(digest), " ", name, "\n");
  }
  return out;
}

absl::StatusOr<Manifest> CheckManifest(absl::string_view bytes,
                                       const std::vector<std::string>& trusted, uint32_t needed) {
  ASSIGN_OR_RETURN(Manifest manifest, Manifest::ParseText(TextOf(bytes)));
  std::set<std::string> keys;
  if (TextOf(bytes).size() != bytes.size()) {
    ASSIGN_OR_RETURN(const ledger::Note note, ledger::Note::Parse(bytes));
    for (const std::string& text : trusted) {
      ASSIGN_OR_RETURN(const ledger::VerifierKey key, ledger::VerifierKey::Parse(text));
      const ledger::NoteCheck check = ledger::CheckNote(note, key);
      if (check == ledger::NoteCheck::kInvalid) {
        return absl::InvalidArgumentError(absl::StrCat("the signature by ", key.name, " is bad"));
      }
      if (check == ledger::NoteCheck::kValid && keys.insert(key.public_key).second) {
        manifest.signers.push_back(key.name);
      }
    }
  }
  if (keys.size() < needed) {
    return absl::PermissionDeniedError(absl::StrCat(
        "signed by ", keys.size(), " of the trusted keys, and ", needed, " must have"));
  }
  return manifest;
}

void CompareManifest(const Manifest& manifest, const std::map<std::string, std::string>& files,
                     std::vector<std::string>* causes) {
  for (const auto& [name, text] : files) {
    const auto found = manifest.files.find(name);
    if (found == manifest.files.end()) {
      causes->push_back(absl::StrCat(name, " is not listed in the manifest"));
    } else if (found->second != Sha256Of(text)) {
      causes->push_back(absl::StrCat(name, " is not the file the manifest lists (SHA-256 ",
                                     absl::BytesToHexString(Sha256Of(text)), ")"));
    }
  }
  for (const auto& [name, unused] : manifest.files) {
    if (!files.contains(name)) causes->push_back(absl::StrCat(name, " is missing"));
  }
}

absl::StatusOr<std::string> SignManifest(absl::string_view manifest, absl::string_view name,
                                         const ledger::SigningKey& key) {
  ASSIGN_OR_RETURN(const Manifest parsed, Manifest::ParseText(TextOf(manifest)));
  const ledger::VerifierKey vkey = {std::string(name), ledger::SignatureType::kEd25519,
                                    key.public_key()};
  if (!ledger::VerifierKey::Parse(vkey.ToString()).ok()) {  // nobody could read the bundle
    return absl::InvalidArgumentError(
        absl::StrCat("'", EscapeBytes(name),
                     "' is no key's name: no blanks and no plus, as in secops.example/alice"));
  }
  ledger::Note note;
  note.text = parsed.text;
  if (TextOf(manifest).size() != manifest.size()) {
    ASSIGN_OR_RETURN(note, ledger::Note::Parse(manifest));
  }
  ledger::NoteSignature signature = ledger::SignNote(note.text, name, key);
  for (const ledger::NoteSignature& other : note.signatures) {
    if (other.id == signature.id && other.name == signature.name) {
      return absl::AlreadyExistsError(absl::StrCat(std::string(name), " has signed it already"));
    }
  }
  note.signatures.push_back(std::move(signature));
  return note.ToString();
}

}  // namespace cairn::policy
