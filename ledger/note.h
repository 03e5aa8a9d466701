// C2SP signed notes, checkpoints and cosignatures.
// https://c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature; proto/FORMAT.md §6.
#ifndef CAIRN_LEDGER_NOTE_H_
#define CAIRN_LEDGER_NOTE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/key.h"

namespace cairn::ledger {

enum class SignatureType : uint8_t { kEd25519 = 0x01, kCosignature = 0x04 };

// A verifier key: "<name>+<hash, 8 hex>+<base64(type ‖ public key)>".
struct VerifierKey {
  std::string name;
  SignatureType type = SignatureType::kEd25519;
  std::string public_key;  // 32 bytes

  // InvalidArgument says what is wrong with the text.
  static absl::StatusOr<VerifierKey> Parse(absl::string_view text);
  std::string ToString() const;
  uint32_t Id() const;  // first 4 bytes of SHA-256(name ‖ "\n" ‖ type ‖ key)
};

struct NoteSignature {
  std::string name;
  uint32_t id = 0;
  std::string bytes;  // what follows the id: 64, or for a cosignature u64 time ‖ 64
};

// "<text>\n— <name> <base64>\n…". At most 16 signatures and 32 KiB.
struct Note {
  std::string text;  // ends in a newline; without the blank line
  std::vector<NoteSignature> signatures;

  // InvalidArgument: not a note (control characters, CR, non-canonical base64, …).
  static absl::StatusOr<Note> Parse(absl::string_view bytes);
  std::string ToString() const;
};

// tlog-checkpoint: origin, size, root. No extension lines.
struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  std::string root;  // 32 bytes

  static absl::StatusOr<Checkpoint> Parse(absl::string_view text);
  std::string ToText() const;
};

// A signature line by `name` over `text` (type 0x01).
NoteSignature SignNote(absl::string_view text, absl::string_view name, const SigningKey& key);

// A cosignature (type 0x04 key, "cosignature/v1") at `time_s` since 1970.
NoteSignature CosignNote(absl::string_view text, absl::string_view name, const SigningKey& key,
                         uint64_t time_s);

enum class NoteCheck {
  kValid,    // a signature by this key, and it is good
  kAbsent,   // none by this name and id
  kInvalid,  // one by this name and id, and it is bad
};
// `time_s` (may be null) receives a cosignature's time.
NoteCheck CheckNote(const Note& note, const VerifierKey& key, uint64_t* time_s = nullptr);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_NOTE_H_
