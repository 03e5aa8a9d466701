// Collectors that answer slowly, half, or not at all: the shipper leaves each for the next one.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/ship/hostile_server.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

class SlowCollector : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.host.Open();
    site_.host.Append(5);
    site_.host.Sync();
    site_.StartCollector();
  }
  // Ships with `hostile` in the first place and a good collector in the second.
  void LeavesIt(const HostileServer& hostile) {
    shipper::ShipperOptions options = site_.ShipperOptions();
    options.collectors.insert(
        options.collectors.begin(),
        {.where = {"127.0.0.1", absl::StrCat(hostile.port())}, .key = options.collectors[0].key});
    options.connect_timeout = absl::Milliseconds(200);
    options.frame_within = absl::Milliseconds(300);
    options.receipt_within = absl::Milliseconds(300);
    ASSERT_TRUE(site_.ShipAll(std::move(options), absl::Seconds(60)));
    EXPECT_EQ(hostile.connections(), 1);
    EXPECT_TRUE(site_.StoreMatches(/*whole=*/false));
    EXPECT_EQ(site_.VerifyStore().through, site_.host.size());
  }
  wire::Frame Welcome() const {
    wire::Frame frame;
    frame.mutable_welcome()->set_collector_key(site_.CollectorKey().ToString());
    frame.mutable_welcome()->set_keep_alive_s(1);
    return frame;
  }
  static wire::Frame KeepAlive(bool reply) {
    wire::Frame frame;
    frame.mutable_keep_alive()->set_nonce(1);
    frame.mutable_keep_alive()->set_reply(reply);
    return frame;
  }
  // A frame's length, then its bytes one by one, never all of them.
  static void Drip(HostileTalk* talk) {
    bool here = talk->Say(std::string("\0\0\x10\0", 4));
    while (here) here = talk->Say(std::string("x")) && talk->Listen(absl::Milliseconds(20));
  }

  Site site_;
};

TEST_F(SlowCollector, ThatTakesTheConnectionAndNeverShakesHands) {
  const HostileServer hostile(site_.CollectorTls(), nullptr);
  LeavesIt(hostile);
}

TEST_F(SlowCollector, ThatNeverSaysWelcome) {
  const HostileServer hostile(site_.CollectorTls(),
                              [](HostileTalk* talk) { talk->Listen(absl::Minutes(1)); });
  LeavesIt(hostile);
  EXPECT_EQ(hostile.left(), 1);
}

TEST_F(SlowCollector, ThatSaysItLivesAndNeverWelcome) {
  const HostileServer hostile(site_.CollectorTls(), [](HostileTalk* talk) {
    while (talk->Say(KeepAlive(false)) && talk->Listen(absl::Milliseconds(50))) {
    }
  });
  LeavesIt(hostile);
  EXPECT_EQ(hostile.left(), 1);
}

TEST_F(SlowCollector, ThatDripsAWelcomeByteByByte) {
  const HostileServer hostile(site_.CollectorTls(), Drip);
  LeavesIt(hostile);
  EXPECT_EQ(hostile.left(), 1);
}

TEST_F(SlowCollector, ThatDripsAReceiptByteByByte) {
  const HostileServer hostile(site_.CollectorTls(), [this](HostileTalk* talk) {
    if (talk->Say(Welcome())) Drip(talk);
  });
  LeavesIt(hostile);
  EXPECT_EQ(hostile.left(), 1);
}

TEST_F(SlowCollector, ThatTakesEverythingAndGivesNoReceipt) {
  const HostileServer hostile(site_.CollectorTls(), [this](HostileTalk* talk) {
    bool here = talk->Say(Welcome());
    while (here) here = talk->Say(KeepAlive(true)) && talk->Listen(absl::Milliseconds(50));
  });
  LeavesIt(hostile);
  EXPECT_EQ(hostile.left(), 1);
}

// Half open: the other end is gone and nothing says so. Three heartbeats, of a second here.
TEST_F(SlowCollector, ThatIsWelcomingAndThenGone) {
  site_.host.Close();
  const HostileServer hostile(site_.CollectorTls(), [this](HostileTalk* talk) {
    wire::Frame welcome = Welcome();
    const auto source = shipper::LogSource::Open(site_.host.dir());
    welcome.mutable_welcome()->set_epoch(source->limit().epoch);
    welcome.mutable_welcome()->set_offset(source->limit().offset);
    if (talk->Say(welcome)) talk->Listen(absl::Minutes(1));
  });
  LeavesIt(hostile);
  EXPECT_EQ(hostile.left(), 1);
}

}  // namespace
}  // namespace cairn::ship
