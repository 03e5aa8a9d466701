// The worked bytes of proto/FORMAT.md §10 are what the code writes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ledger/block.h"
#include "ledger/block_dictionary.h"
#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"

namespace cairn::ledger {
namespace {

constexpr char kOrigin[] = "example.com/h/6f1c2a1e-0000-4000-8000-000000000001/1";

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

SigningKey Key(uint8_t byte) {
  const std::string seed(32, static_cast<char>(byte));
  return SigningKey::FromSeed(Secret32(reinterpret_cast<const uint8_t*>(seed.data())));
}

// `count` times the same record.
std::string StoredBlock(int count, bool compressed) {
  BlockBuilder builder(compressed);
  Subject subject;
  subject.process.set_pid(4242);
  subject.process.set_start_ns(1000);
  subject.process.set_generation(1);
  subject.process.set_exe("/usr/bin/cat");
  subject.process.set_comm("cat");
  subject.process.set_auid(1000);
  subject.process.set_ppid(1);
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  record.set_source(SOURCE_EBPF);
  record.mutable_file()->set_path("/etc/shadow");
  record.mutable_file()->set_source(PATH_OBJECT);
  const std::string rule = "shadow-read";
  const std::string* rules[] = {&rule};
  Entry entry;
  entry.time_ns = 5'000'000'000;
  entry.record = &record;
  entry.subject = &subject;
  entry.rules = rules;
  for (int i = 0; i < count; ++i) EXPECT_TRUE(builder.Add(entry).ok());
  std::string stored;
  builder.Finish(7, 1'700'000'000'000'000'000, &stored);
  return stored;
}

// Name and value of each worked line.
std::vector<std::pair<std::string, std::string>> Worked() {
  std::vector<std::pair<std::string, std::string>> lines;
  SegmentHeader header;
  header.set_origin(kOrigin);
  header.set_chain(std::string(View(ChainOrigin(kOrigin))));
  header.set_environment("production");
  header.set_previous_end("none");
  const std::string header_bytes = MakeHeader(header);
  lines.emplace_back("C_-1", Hex(View(ChainOrigin(kOrigin))));
  lines.emplace_back("header", Hex(header_bytes));
  lines.emplace_back("H(header)", Hex(View(Sha256({header_bytes}))));
  const std::string stored = StoredBlock(1, false);
  lines.emplace_back("R_0", Hex(stored));
  lines.emplace_back("H(block.zdict)", Hex(View(Sha256({BlockDictionary()}))));
  const Hash leaf = LeafHash(stored);
  const Hash chain = ChainNext(ChainOrigin(kOrigin), 0, leaf);
  const std::string k0(32, '\x04');
  TagKey key(Secret32(reinterpret_cast<const uint8_t*>(k0.data())));
  lines.emplace_back("K_0", Hex(k0));
  lines.emplace_back("H(0x06 ‖ K_0)", Hex(View(key.Commitment())));
  const Tag tag = key.TagAndEvolve(chain);
  const absl::string_view tag_bytes(reinterpret_cast<const char*>(tag.data()), tag.size());
  lines.emplace_back("L_0", Hex(View(leaf)));
  lines.emplace_back("C_0", Hex(View(chain)));
  lines.emplace_back("T_0", Hex(tag_bytes));
  lines.emplace_back("K_1", Hex(key.secret().view()));
  key.NextEpoch(1);
  lines.emplace_back("K_1 in epoch 1", Hex(key.secret().view()));
  lines.emplace_back("BLOCK", Hex(MakeFrame(FrameType::kBlock, absl::StrCat(tag_bytes, stored))));
  lines.emplace_back("COMMIT", Hex(MakeCommit({1, chain, header_bytes.size()})));
  Seal seal{1, chain, Sha256({header_bytes}), 1, 1, ""};
  seal.signature = Key(2).Sign(SealedText(seal, kOrigin, 0));
  lines.emplace_back("SEAL", Hex(MakeSeal(seal)));
  return lines;
}

TEST(Format, WorkedBytesAreWhatTheDocumentSays) {
  const std::string path = SourcePath("proto/FORMAT.md");
  std::string text = ReadAll(path);
  std::string section = "\n```\n";
  for (const auto& [name, value] : Worked()) absl::StrAppend(&section, name, " = ", value, "\n");
  section += "```\n";
  const size_t start = text.find("## 10. Worked bytes");
  ASSERT_NE(start, std::string::npos);
  const size_t begin = text.find("\n```\n", start);
  ASSERT_NE(begin, std::string::npos);
  const size_t end = text.find("\n```\n", begin + 5) + 5;
  const std::string found = text.substr(begin, end - begin);
  if (found != section && std::getenv("WRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << text.substr(0, begin) << section << text.substr(end);
    return;
  }
  EXPECT_EQ(found, section) << "WRITE_GOLDEN=1 rewrites it, once the change is meant";
}

// Logs name it by its number: it is never another one.
TEST(Format, TheDictionaryOfThatNumberIsThisOneForever) {
  ASSERT_EQ(kBlockDictionaryId, 32769u);
  EXPECT_EQ(Hex(View(Sha256({BlockDictionary()}))),
            "8bbc2f0479f42ddf22aedcdc585bafcdb014fb91e68d18f6a45513d913344c05");
}

// That a compressor may write other bytes for the same block is no drift: ours are an example.
TEST(Format, TheWorkedCompressedBlockInflates) {
  const std::string text = ReadAll(SourcePath("proto/FORMAT.md"));
  constexpr char kName[] = "\nR_0 of three such records, compressed = ";
  const size_t begin = text.find(kName) + sizeof(kName) - 1;
  ASSERT_GE(begin, sizeof(kName) - 1);
  const std::string stored =
      absl::HexStringToBytes(text.substr(begin, text.find('\n', begin) - begin));
  Block plain, compressed;
  ASSERT_TRUE(ParseBlock(StoredBlock(3, false), &plain).ok());
  ASSERT_TRUE(ParseBlock(stored, &compressed).ok()) << "ours: " << Hex(StoredBlock(3, true));
  EXPECT_LT(stored.size(), StoredBlock(3, false).size());
  compressed.clear_inflated_bytes();
  EXPECT_EQ(compressed.SerializeAsString(), plain.SerializeAsString());
}

// The log key's signature is plain Ed25519 over the note's text: any tool can check it.
TEST(Format, OpensslAcceptsACheckpointsLogKeySignature) {
  if (std::system("openssl version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "SKIPPED: the openssl command is not installed";
  }
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Append("/x").ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  const std::string file = ReadAll(log.dir.path() + "/checkpoint");
  const auto note = Note::Parse(ParseCheckpointFile(file)->note);
  ASSERT_TRUE(note.ok());
  const std::string der =
      absl::HexStringToBytes("302a300506032b6570032100") + log.verifier_key().public_key;
  const std::string dir = log.dir.path();
  WriteAllTo(dir + "/key.der", der);
  WriteAllTo(dir + "/text", note->text);
  WriteAllTo(dir + "/sig", note->signatures[0].bytes);
  const std::string command =
      absl::StrCat("openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey ", dir,
                   "/key.der -in ", dir, "/text -sigfile ", dir, "/sig >/dev/null 2>&1");
  EXPECT_EQ(std::system(command.c_str()), 0);
  WriteAllTo(dir + "/text", note->text + "x");
  EXPECT_NE(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace cairn::ledger
