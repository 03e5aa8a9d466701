#include "policy/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "ledger/note.h"

namespace cairn::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kPolicy[] =
    "schema: cairn.policy/v1\nmetadata: {name: a, serial: %}\nrules: [{id: r%, on: [file.open]}]\n";

std::string PolicyText(int serial) {
  std::string text = kPolicy;
  for (size_t at = text.find('%'); at != std::string::npos; at = text.find('%')) {
    text.replace(at, 1, absl::StrCat(serial));
  }
  return text;
}

class Bundle : public ::testing::Test {
 protected:
  Bundle()
      : alice_(ledger::SigningKey::Generate()),
        bob_(ledger::SigningKey::Generate()),
        eve_(ledger::SigningKey::Generate()) {
    char path[] = "/tmp/cairn-bundle-XXXXXX";
    options_.dir = ::mkdtemp(path);
    options_.state_dir = options_.dir + "/state";
    options_.require_signed = true;
    options_.signatures = 2;
    options_.trusted_keys = {Vkey("alice", alice_), Vkey("bob", bob_)};
  }
  ~Bundle() override { (void)!std::system(("rm -rf " + options_.dir).c_str()); }

  static std::string Vkey(const std::string& name, const ledger::SigningKey& key) {
    return ledger::VerifierKey{name, ledger::SignatureType::kEd25519, key.public_key()}.ToString();
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(options_.dir + "/" + name, std::ios::binary) << text;
    ::chmod((options_.dir + "/" + name).c_str(), 0644);
  }
  using Signers = std::vector<std::pair<std::string, const ledger::SigningKey*>>;
  void Make(uint64_t serial, const std::string& text, const Signers& signers) const {
    Manifest manifest;
    manifest.serial = serial;
    manifest.files["a.yaml"] = Sha256Of(text);
    std::string bytes = manifest.ToText();
    for (const auto& [name, key] : signers) bytes = *SignManifest(bytes, name, *key);
    Write("a.yaml", text);
    Write("MANIFEST", bytes);
  }
  LoadResult Load(std::shared_ptr<const Policy> current = nullptr) const {
    return LoadPolicy(options_, std::move(current));
  }

  ledger::SigningKey alice_, bob_, eve_;
  LoadOptions options_;
};

// c2sp.org/signed-note: such a name would make a bundle that nobody can read.
TEST_F(Bundle, ANameThatNoKeyCanHaveSignsNothing) {
  Manifest manifest;
  manifest.serial = 1;
  manifest.files["a.yaml"] = Sha256Of("x");
  for (const char* name : {"", "a+b", "a b", "a\nb"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(SignManifest(manifest.ToText(), name, alice_).status()))
        << name;
  }
  EXPECT_TRUE(SignManifest(manifest.ToText(), "secops.example/alice", alice_).ok());
}

TEST_F(Bundle, SignedByEnoughIsInForceAndNamesWho) {
  Make(5, PolicyText(1), {{"alice", &alice_}, {"bob", &bob_}});
  const LoadResult result = Load();
  EXPECT_EQ(result.rung, Rung::kConfigured);
  EXPECT_THAT(result.change.errors(), IsEmpty());
  EXPECT_THAT(result.change.signers(), ElementsAre("alice", "bob"));
  EXPECT_EQ(result.change.serial(), 5u);
}

TEST_F(Bundle, TooFewOrWrongSignaturesAreRefused) {
  const Signers kCases[] = {{}, {{"alice", &alice_}}, {{"alice", &alice_}, {"eve", &eve_}}};
  for (const Signers& signers : kCases) {
    Make(5, PolicyText(1), signers);
    const LoadResult result = Load();
    EXPECT_EQ(result.rung, Rung::kFloor);
    EXPECT_THAT(result.change.errors(0), HasSubstr("and 2 must have"));
  }
  // A key counts once, under whatever names it is trusted.
  options_.trusted_keys.push_back(Vkey("alice2", alice_));
  Make(5, PolicyText(1), {{"alice", &alice_}, {"alice2", &alice_}});
  EXPECT_EQ(Load().rung, Rung::kFloor);
}

TEST_F(Bundle, AnyChangedByteOfAFileOrTheManifestIsRefused) {
  const std::string text = PolicyText(1);
  Make(5, text, {{"alice", &alice_}, {"bob", &bob_}});
  std::ifstream in(options_.dir + "/MANIFEST", std::ios::binary);
  const std::string manifest((std::istreambuf_iterator<char>(in)), {});
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    Write("a.yaml", changed);
    ASSERT_NE(Load().rung, Rung::kConfigured) << i;
  }
  Write("a.yaml", text);
  for (size_t i = 0; i < manifest.size(); ++i) {
    std::string changed = manifest;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    Write("MANIFEST", changed);
    ASSERT_NE(Load().rung, Rung::kConfigured) << i;
  }
  Write("MANIFEST", manifest);
  EXPECT_EQ(Load().rung, Rung::kConfigured);
  Write("b.yaml", "schema: cairn.policy/v1\n");
  EXPECT_THAT(Load().change.errors(0), HasSubstr("b.yaml is not listed"));
}

TEST_F(Bundle, WithoutAManifestNothingCounts) {
  Write("a.yaml", PolicyText(1));
  const LoadResult result = Load();
  EXPECT_EQ(result.rung, Rung::kFloor);
  EXPECT_THAT(result.change.errors(0), HasSubstr("MANIFEST: missing"));
}

TEST_F(Bundle, SerialsOnlyRiseAlsoAcrossRestarts) {
  const Signers both = {{"alice", &alice_}, {"bob", &bob_}};
  Make(5, PolicyText(2), both);
  const LoadResult first = Load();
  ASSERT_EQ(first.rung, Rung::kConfigured);
  Make(4, PolicyText(3), both);
  LoadResult result = Load();  // a restart: nothing is in force, the state directory knows
  EXPECT_EQ(result.rung, Rung::kLastKnownGood);
  EXPECT_EQ(result.policy->digest(), first.policy->digest());
  EXPECT_THAT(result.change.errors(0), HasSubstr("serial 4 is lower than 5"));
  Make(5, PolicyText(3), both);
  EXPECT_THAT(Load().change.errors(0), HasSubstr("was in force with other content"));
  Make(6, PolicyText(1), both);
  EXPECT_THAT(Load().change.errors(0), HasSubstr("metadata.serial: 1 is lower than 2"));
  Make(6, PolicyText(3), both);
  EXPECT_EQ(Load().rung, Rung::kConfigured);
}

TEST_F(Bundle, TheLastGoodPolicySurvivesARestartWithABrokenFile) {
  options_.require_signed = false;
  Write("a.yaml", PolicyText(1));
  const LoadResult first = Load();
  ASSERT_EQ(first.rung, Rung::kConfigured);
  Write("a.yaml", "schema: cairn.policy/v1\nrules: [\n");
  const LoadResult second = Load();
  EXPECT_EQ(second.rung, Rung::kLastKnownGood);
  EXPECT_EQ(second.policy->digest(), first.policy->digest());
  EXPECT_THAT(second.change.errors(), Not(IsEmpty()));
}

TEST(Manifest, RefusesWhatIsMalformed) {
  for (const char* text :
       {"", "cairn.policy-bundle/v1\n", "cairn.policy-bundle/v1\nserial 0\n",
        "cairn.policy-bundle/v1\nserial 1\nfile 00 a.yaml\n", "cairn.policy-bundle/v1\nserial 01\n",
        "cairn.policy-bundle/v2\nserial 1\n"}) {
    EXPECT_FALSE(Manifest::ParseText(text).ok()) << text;
  }
  const std::string digest(64, 'a');
  EXPECT_TRUE(
      Manifest::ParseText("cairn.policy-bundle/v1\nserial 1\nfile " + digest + " a.yaml\n").ok());
  for (const char* name : {"../a.yaml", ".a.yaml", "a.txt", ""}) {
    EXPECT_FALSE(Manifest::ParseText(absl::StrCat("cairn.policy-bundle/v1\nserial 1\nfile ", digest,
                                                  " ", name, "\n"))
                     .ok());
  }
}

}  // namespace
}  // namespace cairn::policy
