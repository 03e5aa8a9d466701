#include "tests/attack/forge.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/format.h"
#include "ledger/hpke.h"
#include "tests/ledger/test_log.h"

namespace cairn::attack {

using ledger::FrameType;
using ledger::SigningKey;
using ledger::View;

namespace {

SigningKey KeyOf(uint8_t seed) {
  const uint8_t bytes[32] = {seed, seed, seed};
  return SigningKey::FromSeed(Secret32(bytes));
}

ledger::TagKey Same(const ledger::TagKey& key) {
  return ledger::TagKey(Secret32(key.secret().data()));
}

std::unique_ptr<SigningKey> Same(const std::unique_ptr<SigningKey>& key) {
  return key == nullptr ? nullptr : std::make_unique<SigningKey>(key->Clone());
}

}  // namespace

Segment Segment::Take(const std::string& bytes) {
  Segment segment;
  SegmentHeader header;
  size_t at = 0;
  std::string cause;
  EXPECT_EQ(ledger::ParseHeader(bytes, &header, &at, &cause), ledger::FrameEnd::kFrame) << cause;
  segment.header = bytes.substr(0, at);
  while (at < bytes.size()) {
    ledger::FrameView frame{};
    const auto end = ledger::ParseFrame(absl::string_view(bytes).substr(at), &frame, &cause);
    EXPECT_EQ(end, ledger::FrameEnd::kFrame) << cause;
    if (end != ledger::FrameEnd::kFrame) break;
    segment.pieces.push_back({frame.type, std::string(frame.body)});
    at += frame.size;
  }
  return segment;
}

std::string Segment::Bytes() const {
  std::string bytes = header;
  for (const Piece& piece : pieces) bytes += ledger::MakeFrame(piece.type, piece.body);
  return bytes;
}

std::vector<size_t> Segment::Blocks() const {
  std::vector<size_t> blocks;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].type == FrameType::kBlock) blocks.push_back(i);
  }
  return blocks;
}

Forger::Forger(std::string origin, uint8_t seed)
    : origin_(std::move(origin)),
      log_key_(KeyOf(seed)),
      tag_key_(Secret32::Random()),
      state_(ledger::LogState::Beginning(origin_)) {}

std::unique_ptr<Forger> Forger::Copy() const {
  auto copy = std::make_unique<Forger>(origin_);
  copy->StealKeys(*this);
  copy->state_ = state_;
  copy->header_hash_ = header_hash_;
  copy->epoch_first_ = epoch_first_;
  copy->epoch_first_sequence_ = epoch_first_sequence_;
  copy->previous_end_ = previous_end_;
  copy->previous_bytes_ = previous_bytes_;
  copy->segments_ = segments_;
  copy->note_ = note_;
  copy->note_offset_ = note_offset_;
  return copy;
}

void Forger::StealKeys(const Forger& other) {
  log_key_ = other.log_key_.Clone();
  epoch_key_ = Same(other.epoch_key_);
  next_epoch_key_ = Same(other.next_epoch_key_);
  tag_key_ = Same(other.tag_key_);
}

ledger::VerifierKey Forger::verifier_key() const {
  return {.name = origin_, .public_key = log_key_.public_key()};
}

void Forger::Open(const std::string& recipient) {
  epoch_key_ = next_epoch_key_ != nullptr ? std::move(next_epoch_key_)
                                          : std::make_unique<SigningKey>(SigningKey::Generate());
  if (state_.next_epoch > 0) tag_key_.NextEpoch(state_.next_epoch);
  SegmentHeader header;
  header.set_origin(origin_);
  header.set_epoch(state_.next_epoch);
  header.set_first_block(state_.size);
  header.set_chain(std::string(View(state_.chain)));
  for (const ledger::Hash& hash : state_.frontier.hashes()) {
    header.add_frontier(std::string(View(hash)));
  }
  header.set_first_sequence(state_.next_sequence);
  header.set_environment("production");
  header.set_previous_end(previous_end_);
  header.set_previous_valid_bytes(previous_bytes_);
  const std::string bytes = ledger::MakeHeader(header);
  segments_.push_back(bytes);
  header_hash_ = ledger::Sha256({bytes});
  epoch_first_ = state_.size;
  epoch_first_sequence_ = state_.next_sequence;

  Record record;
  record.set_type(AGENT_EPOCH_OPEN);
  EpochOpen* open = record.mutable_epoch_open();
  open->set_epoch(state_.next_epoch);
  open->set_public_key(epoch_key_->public_key());
  open->set_header_hash(std::string(View(header_hash_)));
  open->set_size(state_.size);
  open->set_root(std::string(View(state_.frontier.Root())));
  open->set_chain(std::string(View(state_.chain)));
  open->set_key_commitment(std::string(View(tag_key_.Commitment())));
  if (!recipient.empty()) {
    const std::string info =
        ledger::SealedKeyInfo(origin_, state_.next_epoch, state_.size, epoch_key_->public_key());
    const auto sealed =
        ledger::HpkeSeal(recipient, Secret32::Random(), {info, ""}, tag_key_.secret().view());
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    SealedKey* key = open->add_sealed_keys();
    key->set_recipient(recipient);
    key->set_encapsulated(sealed->encapsulated);
    key->set_ciphertext(sealed->ciphertext);
  }
  AddRecord(record, true);
  Vouch();
}

void Forger::Add(const std::string& path) {
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  record.mutable_file()->set_path(path);
  AddRecord(record, false);
}

void Forger::AddRecord(const Record& record, bool urgent) {
  ledger::BlockBuilder builder(false);
  ASSERT_TRUE(
      builder.Add({.time_ns = 1'000'000 + state_.size, .record = &record, .urgent = urgent}).ok());
  std::string stored;
  builder.Finish(state_.next_sequence, 1'700'000'000'000'000'000, &stored);
  AddStored(stored);
}

void Forger::AddStored(const std::string& stored) {
  const ledger::Hash leaf = ledger::LeafHash(stored);
  state_.chain = ledger::ChainNext(state_.chain, state_.size, leaf);
  state_.frontier.Add(leaf);
  ++state_.size;
  ledger::BlockHead head;
  if (ledger::ParseBlockHead(stored, &head).ok()) state_.next_sequence += head.record_count;
  const ledger::Tag tag = tag_key_.TagAndEvolve(state_.chain);
  Append(FrameType::kBlock,
         absl::StrCat(absl::string_view(reinterpret_cast<const char*>(tag.data()), tag.size()),
                      stored));
}

void Forger::AddClose() {
  next_epoch_key_ = std::make_unique<SigningKey>(SigningKey::Generate());
  Record record;
  record.set_type(AGENT_EPOCH_CLOSE);
  EpochClose* close = record.mutable_epoch_close();
  close->set_epoch(state_.next_epoch);
  close->set_next_public_key(next_epoch_key_->public_key());
  close->set_reason("signal");
  AddRecord(record, true);
}

std::string Forger::Vouch() {
  std::string& bytes = segments_.back();
  bytes += ledger::MakeCommit({state_.size, state_.chain, bytes.size()});
  note_ = SignedCheckpoint(origin_, state_.size, std::string(View(state_.frontier.Root())),
                           log_key_, epoch_key_.get(), state_.next_epoch);
  Append(FrameType::kCheckpoint, note_);
  note_offset_ = bytes.size();
  return note_;
}

void Forger::Seal() {
  AddClose();
  Vouch();
  ledger::Seal seal{.size = state_.size,
                    .chain = state_.chain,
                    .header_hash = header_hash_,
                    .blocks = state_.size - epoch_first_,
                    .records = state_.next_sequence - epoch_first_sequence_};
  seal.signature = epoch_key_->Sign(ledger::SealedText(seal, origin_, state_.next_epoch));
  segments_.back() += ledger::MakeSeal(seal);
  note_offset_ = segments_.back().size();
  previous_end_ = "sealed";
  previous_bytes_ = segments_.back().size();
  ++state_.next_epoch;
}

void Forger::Crash() {
  previous_end_ = "torn";
  previous_bytes_ = segments_.back().size();
  next_epoch_key_ = nullptr;
  tag_key_ = ledger::TagKey(Secret32::Random());
  ++state_.next_epoch;
}

void Forger::Append(FrameType type, const std::string& body) {
  segments_.back() += ledger::MakeFrame(type, body);
}

void Forger::Save(const std::string& dir) const {
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    std::filesystem::remove_all(entry.path());
  }
  for (size_t epoch = 0; epoch < segments_.size(); ++epoch) {
    ledger::WriteAllTo(absl::StrCat(dir, "/", ledger::SegmentName(epoch)), segments_[epoch]);
  }
  ledger::WriteAllTo(absl::StrCat(dir, "/", ledger::kKeyFile), verifier_key().ToString() + "\n");
  ledger::WriteAllTo(
      absl::StrCat(dir, "/", ledger::kCheckpointFile),
      ledger::FormatCheckpointFile({.segment = ledger::SegmentName(segments_.size() - 1),
                                    .offset = note_offset_,
                                    .note = note_}));
}

ledger::VerifierKey CollectorKey(uint8_t seed) {
  return {.name = "collector.example",
          .type = ledger::SignatureType::kCosignature,
          .public_key = KeyOf(seed).public_key()};
}

std::string Receipt(const std::string& text, uint64_t time_s, uint8_t seed) {
  auto note = ledger::Note::Parse(text);
  EXPECT_TRUE(note.ok()) << note.status();
  note->signatures.push_back(
      ledger::CosignNote(note->text, "collector.example", KeyOf(seed), time_s));
  return note->ToString();
}

std::string SignedCheckpoint(const std::string& origin, uint64_t size, const std::string& root,
                             const SigningKey& log_key, const SigningKey* epoch_key,
                             uint64_t epoch) {
  ledger::Note note;
  note.text = ledger::Checkpoint{origin, size, root}.ToText();
  note.signatures.push_back(ledger::SignNote(note.text, origin, log_key));
  if (epoch_key != nullptr) {
    note.signatures.push_back(
        ledger::SignNote(note.text, absl::StrCat(origin, "/e/", epoch), *epoch_key));
  }
  return note.ToString();
}

}  // namespace cairn::attack
