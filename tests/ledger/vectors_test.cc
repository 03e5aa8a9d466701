// The known answers of an independent implementation, outside this repository.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ledger/hash.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/prove.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"

namespace cairn::ledger {
namespace {

using google::protobuf::Struct;

std::string Dir() { return SharedPath("vectors"); }

class Vectors : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(Dir())) {
      GTEST_SKIP() << "SKIPPED: no known answers at " << Dir() << " (set CAIRN_SHARED)";
    }
  }
  static Struct Json(const std::string& name) {
    Struct json;
    EXPECT_TRUE(
        google::protobuf::util::JsonStringToMessage(ReadAll(Dir() + "/" + name), &json).ok());
    return json;
  }
  static std::string Text(const Struct& json, const std::string& key) {
    return json.fields().at(key).string_value();
  }
  static uint64_t Number(const Struct& json, const std::string& key) {
    return static_cast<uint64_t>(json.fields().at(key).number_value());
  }
  static Hash Base64(const std::string& text) {
    std::string bytes;
    EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
    Hash hash{};
    EXPECT_EQ(bytes.size(), hash.size());
    std::copy(bytes.begin(), bytes.end(), hash.begin());
    return hash;
  }
  static std::vector<Hash> Hashes(const Struct& json) {
    std::vector<Hash> hashes;
    for (const auto& value : json.fields().at("hashes").list_value().values()) {
      hashes.push_back(Base64(value.string_value()));
    }
    return hashes;
  }
  static std::string Stored(int i) {
    const std::string text = absl::StrCat("event ", i);
    return absl::StrCat("\n", std::string(1, static_cast<char>(text.size())), text);
  }
};

TEST_F(Vectors, ChainTagsKeysAndRoots) {
  const Struct json = Json("chain.json");
  Hash chain = ChainOrigin(Text(json, "origin"));
  EXPECT_EQ(absl::BytesToHexString(View(chain)), Text(json, "C_before_0"));
  const std::string k0 = absl::HexStringToBytes(Text(json, "K_0"));
  TagKey key(Secret32(reinterpret_cast<const uint8_t*>(k0.data())));
  Frontier frontier;
  const auto& after = json.fields().at("after").struct_value().fields();
  const auto& roots = json.fields().at("root").struct_value().fields();
  int checked = 0;
  for (int i = 0; i <= 700; ++i) {
    if (const auto root = roots.find(absl::StrCat(i)); root != roots.end()) {
      EXPECT_EQ(frontier.Root(), Base64(root->second.string_value())) << i;
      ++checked;
    }
    if (i == 700) break;
    const Hash leaf = LeafHash(Stored(i));
    chain = ChainNext(chain, static_cast<uint64_t>(i), leaf);
    const Tag tag = key.TagAndEvolve(chain);
    frontier.Add(leaf);
    if (const auto want = after.find(absl::StrCat(i)); want != after.end()) {
      const Struct& values = want->second.struct_value();
      EXPECT_EQ(absl::BytesToHexString(View(leaf)), Text(values, "L")) << i;
      EXPECT_EQ(absl::BytesToHexString(View(chain)), Text(values, "C")) << i;
      EXPECT_EQ(absl::BytesToHexString(
                    absl::string_view(reinterpret_cast<const char*>(tag.data()), tag.size())),
                Text(values, "T"))
          << i;
      EXPECT_EQ(absl::BytesToHexString(key.secret().view()), Text(values, "K_next")) << i;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 17);
}

TEST_F(Vectors, CheckpointsVerifyAndAreSignedAlike) {
  const Struct keys = Json("keys.json");
  const auto log = VerifierKey::Parse(Text(keys, "log"));
  const auto epoch = VerifierKey::Parse(Text(keys, "epoch"));
  const auto collector = VerifierKey::Parse(Text(keys, "collector"));
  ASSERT_TRUE(log.ok() && epoch.ok() && collector.ok());
  EXPECT_EQ(log->ToString(), Text(keys, "log"));
  for (const char* name : {"/checkpoint-300", "/checkpoint-700"}) {
    const std::string text = ReadAll(Dir() + name);
    const auto note = Note::Parse(text);
    ASSERT_TRUE(note.ok()) << note.status();
    uint64_t time = 0;
    EXPECT_EQ(CheckNote(*note, *log), NoteCheck::kValid);
    EXPECT_EQ(CheckNote(*note, *epoch), NoteCheck::kValid);
    EXPECT_EQ(CheckNote(*note, *collector, &time), NoteCheck::kValid);
    const auto key = [](uint8_t byte) {
      const std::string seed(32, static_cast<char>(byte));
      return SigningKey::FromSeed(Secret32(reinterpret_cast<const uint8_t*>(seed.data())));
    };
    Note ours;
    ours.text = note->text;
    ours.signatures = {SignNote(ours.text, log->name, key(1)),
                       SignNote(ours.text, epoch->name, key(2)),
                       CosignNote(ours.text, collector->name, key(3), time)};
    EXPECT_EQ(ours.ToString(), text);
  }
}

TEST_F(Vectors, ProofsVerify) {
  const Struct inclusion = Json("proof.incl.413");
  EXPECT_TRUE(VerifyInclusion(LeafHash(Stored(413)), Number(inclusion, "index"),
                              Number(inclusion, "size"), Base64(Text(inclusion, "root")),
                              Hashes(inclusion))
                  .ok());
  const Struct consistency = Json("proof.cons.300");
  EXPECT_TRUE(VerifyConsistency(Number(consistency, "old"), Base64(Text(consistency, "oldroot")),
                                Number(consistency, "size"), Base64(Text(consistency, "root")),
                                Hashes(consistency))
                  .ok());
  std::vector<Hash> leaves;
  for (int i = 0; i < 700; ++i) leaves.push_back(LeafHash(Stored(i)));
  EXPECT_EQ(InclusionProof(leaves, 413), Hashes(inclusion));
  EXPECT_EQ(ConsistencyProof(leaves, 300), Hashes(consistency));
}

TEST_F(Vectors, TlogProofVerifiesAndComesBack) {
  const std::string text = ReadAll(Dir() + "/r413.tlog-proof");
  const auto proof = BlockProof::Parse(text);
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(proof->ToString(), text);
  const auto key = VerifierKey::Parse(Text(Json("keys.json"), "log"));
  const auto size = CheckProof(*proof, Stored(413), *key);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(*size, 700u);
  EXPECT_FALSE(CheckProof(*proof, Stored(412), *key).ok());
}

}  // namespace
}  // namespace cairn::ledger
