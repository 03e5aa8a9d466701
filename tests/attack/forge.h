// The attacker's workshop: a log's frames taken apart and put together again with lengths and
// checksums repaired, and a writer of whole logs with every key in the attacker's hands.
#ifndef CAIRN_TESTS_ATTACK_FORGE_H_
#define CAIRN_TESTS_ATTACK_FORGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ledger/block.h"
#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/key.h"
#include "ledger/log_state.h"
#include "ledger/note.h"

namespace cairn::attack {

// A segment file in pieces. `header` is all bytes before the first frame.
struct Piece {
  ledger::FrameType type;
  std::string body;
};
struct Segment {
  std::string header;
  std::vector<Piece> pieces;

  static Segment Take(const std::string& bytes);  // must be whole
  std::string Bytes() const;                      // lengths and checksums as they should be
  // Which pieces are blocks, in order.
  std::vector<size_t> Blocks() const;
};

// Writes a log as an agent would, but holds every key and shows them. What it writes verifies.
class Forger {
 public:
  explicit Forger(std::string origin, uint8_t seed = 7);

  // The attacker at this moment: all that memory and disk hold now, and nothing of before.
  std::unique_ptr<Forger> Copy() const;

  // An epoch. `recipient` (X25519 public key; empty: none) is whom its first tag key is sealed to.
  void Open(const std::string& recipient = "");
  void Add(const std::string& path);          // one block with one file.open
  void AddStored(const std::string& stored);  // any bytes as a block
  void AddClose();                            // the block that closes the epoch
  std::string Vouch();                        // COMMIT, CHECKPOINT; returns the note
  void Seal();                                // AddClose, Vouch, SEAL
  // The open epoch ends here as if the agent had crashed.
  void Crash();
  void Save(const std::string& dir) const;  // replaces what is there

  ledger::VerifierKey verifier_key() const;
  const ledger::SigningKey& log_key() const { return log_key_; }
  const ledger::SigningKey& epoch_key() const { return *epoch_key_; }
  uint64_t size() const { return state_.size; }
  uint64_t records() const { return state_.next_sequence; }
  uint64_t epoch() const { return state_.next_epoch; }
  const std::string& note() const { return note_; }  // the newest
  // Tags from now on are by this key: who lacks the keys of the past must take another.
  void GuessTagKey() { tag_key_ = ledger::TagKey(Secret32::Random()); }
  // Takes the keys `other` holds now, but for where the log stands.
  void StealKeys(const Forger& other);

 private:
  void AddRecord(const Record& record, bool urgent);
  void Append(ledger::FrameType type, const std::string& body);

  const std::string origin_;
  ledger::SigningKey log_key_;
  std::unique_ptr<ledger::SigningKey> epoch_key_;
  std::unique_ptr<ledger::SigningKey> next_epoch_key_;  // announced
  ledger::TagKey tag_key_;
  ledger::LogState state_;
  ledger::Hash header_hash_{};
  uint64_t epoch_first_ = 0;
  uint64_t epoch_first_sequence_ = 0;
  std::string previous_end_ = "none";
  uint64_t previous_bytes_ = 0;
  std::vector<std::string> segments_;  // by epoch; the last one is open unless sealed
  std::string note_;
  uint64_t note_offset_ = 0;
};

// `note` with a cosignature by collector.example (key of `seed`) at `time_s`.
std::string Receipt(const std::string& note, uint64_t time_s = 1'800'000'000, uint8_t seed = 5);
ledger::VerifierKey CollectorKey(uint8_t seed = 5);
// A checkpoint of any size and root by these keys; `epoch` names the epoch key.
std::string SignedCheckpoint(const std::string& origin, uint64_t size, const std::string& root,
                             const ledger::SigningKey& log_key,
                             const ledger::SigningKey* epoch_key = nullptr, uint64_t epoch = 0);

}  // namespace cairn::attack

#endif  // CAIRN_TESTS_ATTACK_FORGE_H_
