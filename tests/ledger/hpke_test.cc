#include "ledger/hpke.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace cairn::ledger {
namespace {

std::string Unhex(absl::string_view hex) { return absl::HexStringToBytes(hex); }

Secret32 Key(absl::string_view hex) {
  const std::string bytes = Unhex(hex);
  return Secret32(reinterpret_cast<const uint8_t*>(bytes.data()));
}

// RFC 9180 appendix A.1.1 (base mode, AES-128-GCM), sequence number 0.
TEST(Hpke, PublishedVectorSealsAndOpens) {
  const Secret32 ephemeral =
      Key("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736");
  const Secret32 recipient =
      Key("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
  const std::string info = Unhex("4f6465206f6e2061204772656369616e2055726e");
  const std::string aad = Unhex("436f756e742d30");
  const std::string plaintext = Unhex("4265617574792069732074727574682c20747275746820626561757479");
  const HpkeContext context = {info, aad, HpkeAead::kAes128Gcm};
  EXPECT_EQ(absl::BytesToHexString(X25519PublicKey(recipient)),
            "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
  const auto sealed = HpkeSeal(X25519PublicKey(recipient), ephemeral, context, plaintext);
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(absl::BytesToHexString(sealed->encapsulated),
            "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
  EXPECT_EQ(
      absl::BytesToHexString(sealed->ciphertext),
      "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a");
  const auto opened = HpkeOpen(recipient, *sealed, context);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(*opened, plaintext);
}

TEST(Hpke, OpensOnlyUnchangedToItsRecipientInItsContext) {
  const Secret32 recipient = Secret32::Random();
  const HpkeContext context = {"info", "", HpkeAead::kAes256Gcm};
  auto sealed = HpkeSeal(X25519PublicKey(recipient), Secret32::Random(), context, "thirty-two");
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(*HpkeOpen(recipient, *sealed, context), "thirty-two");
  EXPECT_FALSE(HpkeOpen(Secret32::Random(), *sealed, context).ok());
  EXPECT_FALSE(HpkeOpen(recipient, *sealed, {"other", "", HpkeAead::kAes256Gcm}).ok());
  for (size_t i = 0; i < sealed->ciphertext.size(); ++i) {
    HpkeSealed changed = *sealed;
    changed.ciphertext[i] = static_cast<char>(changed.ciphertext[i] ^ 1);
    EXPECT_FALSE(HpkeOpen(recipient, changed, context).ok()) << i;
  }
  EXPECT_FALSE(HpkeOpen(recipient, {sealed->encapsulated, "short"}, context).ok());
  EXPECT_FALSE(HpkeSeal("short", Secret32::Random(), context, "x").ok());
  EXPECT_FALSE(HpkeSeal(std::string(32, '\0'), Secret32::Random(), context, "x").ok())
      << "a point of low order";
}

}  // namespace
}  // namespace cairn::ledger
