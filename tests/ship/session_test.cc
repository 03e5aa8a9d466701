// The collector's protocol without a network: hostile hosts against one session.
#include "collector/session.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/shipper/uplink.h"
#include "ledger/frame.h"
#include "ledger/segments.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

using collector::Session;

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.host.Open();
    site_.host.Append(60);
    site_.host.Sync();
    site_.StartCollector();
  }

  collector::Peer HostPeer(const std::string& uuid = kUuid) const { return site_.HostPeer(uuid); }
  wire::Frame Hello() const { return site_.Hello(); }
  static wire::Frame Append(uint64_t epoch, uint64_t offset, const std::string& data) {
    wire::Frame frame;
    frame.mutable_append()->set_epoch(epoch);
    frame.mutable_append()->set_offset(offset);
    frame.mutable_append()->set_data(data);
    return frame;
  }
  static std::vector<wire::Frame> Frames(const std::string& out) {
    wire::FrameParser parser;
    parser.Add(out);
    std::vector<wire::Frame> frames;
    wire::Frame frame;
    while (parser.Next(&frame).value_or(false)) frames.push_back(frame);
    return frames;
  }
  // The code of the refusal that ended the session; UNKNOWN_CODE: it goes on.
  static wire::Refusal::Code RefusedWith(const std::string& out) {
    for (const wire::Frame& frame : Frames(out)) {
      if (frame.has_refusal()) return frame.refusal().code();
    }
    return wire::Refusal::UNKNOWN_CODE;
  }
  wire::Refusal::Code Send(const std::vector<wire::Frame>& frames, collector::Peer peer) {
    Session session(site_.core(), std::move(peer));
    std::string out;
    for (const wire::Frame& frame : frames) {
      if (!session.OnBytes(Bytes(frame), &out) || !session.Commit(&out)) break;
    }
    return RefusedWith(out);
  }
  wire::Refusal::Code Send(const std::vector<wire::Frame>& frames) {
    return Send(frames, HostPeer());
  }
  std::string Segment() const { return site_.FirstSegment(); }

  Site site_;
};

TEST_F(SessionTest, TheCertificateMustNameTheHostOfTheOrigin) {
  EXPECT_EQ(Send({Hello()}), wire::Refusal::UNKNOWN_CODE);
  EXPECT_EQ(Send({Hello()}, HostPeer(kOtherUuid)), wire::Refusal::IDENTITY);
  EXPECT_EQ(Send({Hello()}, {.address = "test"}), wire::Refusal::IDENTITY);
}

TEST_F(SessionTest, ASizeThatIsStatedTwiceIsReceiptedOnce) {
  const std::string once = Segment();
  site_.host.Sync();  // COMMIT and CHECKPOINT once more, of nothing new
  const std::string twice = Segment();
  ASSERT_GT(twice.size(), once.size());
  Session session(site_.core(), HostPeer());
  std::string out;
  ASSERT_TRUE(session.OnBytes(Bytes(Hello()), &out));
  for (const wire::Frame& append :
       {Append(0, 0, once), Append(0, once.size(), twice.substr(once.size()))}) {
    ASSERT_TRUE(session.OnBytes(Bytes(append), &out));
    ASSERT_TRUE(session.Commit(&out));
  }
  int receipts = 0;
  for (const wire::Frame& frame : Frames(out)) receipts += frame.has_receipt();
  EXPECT_EQ(receipts, 1);
}

TEST_F(SessionTest, OriginsThatAreNotOursAreRefused) {
  for (const std::string& origin :
       {std::string(""), std::string("test.example/h/../../etc/1"),
        std::string("test.example/h/00000000-0000-4000-8000-000000000001/.."),
        std::string("other/h/00000000-0000-4000-8000-000000000001/1"),
        std::string("test.example/h/00000000-0000-4000-8000-000000000001/1/2"),
        std::string("test.example/h/00000000-0000-4000-8000-000000000001/1\n"),
        std::string("test.example/h/00000000-0000-4000-8000-000000000001/a b")}) {
    wire::Frame hello = Hello();
    hello.mutable_hello()->set_origin(origin);
    EXPECT_EQ(Send({hello}), wire::Refusal::IDENTITY) << origin;
  }
}

TEST_F(SessionTest, AnotherLogKeyIsRefused) {
  const HostWriter other(site_.path("other"), kUuid, 9);
  wire::Frame hello = Hello();
  hello.mutable_hello()->set_log_key(other.key().ToString());
  EXPECT_EQ(Send({hello}), wire::Refusal::UNTRUSTED_KEY);
}

TEST_F(SessionTest, ARevokedHostIsRefusedAndAnotherIsNot) {
  ASSERT_TRUE(site_.core()->hosts()->Revoke(kOtherUuid, "stolen").ok());
  EXPECT_EQ(Send({Hello()}), wire::Refusal::UNKNOWN_CODE);
  ASSERT_TRUE(site_.core()->hosts()->Revoke(kUuid, "stolen").ok());
  EXPECT_EQ(Send({Hello()}), wire::Refusal::IDENTITY);
}

TEST_F(SessionTest, TwoSessionsOfOneLogDoNotMeet) {
  Session first(site_.core(), HostPeer());
  std::string out;
  ASSERT_TRUE(first.OnBytes(Bytes(Hello()), &out));
  EXPECT_EQ(Send({Hello()}), wire::Refusal::BUSY);
}

TEST_F(SessionTest, FramesOutOfOrderAreRefused) {
  EXPECT_EQ(Send({Append(0, 0, Segment())}), wire::Refusal::MALFORMED);
  EXPECT_EQ(Send({Hello(), Hello()}), wire::Refusal::MALFORMED);
  wire::Frame welcome;
  welcome.mutable_welcome()->set_size(1);
  EXPECT_EQ(Send({Hello(), welcome}), wire::Refusal::MALFORMED);
  wire::Frame old = Hello();
  old.mutable_hello()->set_version(0);
  EXPECT_EQ(Send({old}), wire::Refusal::VERSION);
}

TEST_F(SessionTest, BytesFromElsewhereInTheLogAreRefused) {
  const std::string segment = Segment();
  EXPECT_EQ(Send({Hello(), Append(0, 10, segment)}), wire::Refusal::OFFSET);
  EXPECT_EQ(Send({Hello(), Append(1, 0, segment)}), wire::Refusal::OFFSET);
  EXPECT_EQ(Send({Hello(), Append(UINT64_MAX, UINT64_MAX, segment)}), wire::Refusal::OFFSET);
}

TEST_F(SessionTest, TheSameBytesAgainAreTakenOnce) {
  const std::string segment = Segment();
  EXPECT_EQ(Send({Hello(), Append(0, 0, segment), Append(0, 0, segment)}),
            wire::Refusal::UNKNOWN_CODE);
  EXPECT_EQ(ledger::ReadAll(site_.store() + "/" + ledger::SegmentName(0)), segment);
}

TEST_F(SessionTest, OtherBytesForTheSameIndexAreAForkAndBothAreKept) {
  const std::string segment = Segment();
  std::string other = segment;
  other.back() = static_cast<char>(other.back() ^ 1);
  EXPECT_EQ(Send({Hello(), Append(0, 0, segment), Append(0, 0, other)}), wire::Refusal::FORK);
  EXPECT_EQ(ledger::ReadAll(site_.store() + "/" + ledger::SegmentName(0)), segment);
  EXPECT_EQ(ledger::ReadAll(site_.store() + "/evidence/00-fork/refused.bytes"), other);
}

TEST_F(SessionTest, AnyFlippedBitIsRefusedAndTheGoodBytesCanStillCome) {
  const std::string segment = Segment();
  for (size_t i = 0; i < segment.size(); i += 7) {
    std::string bad = segment;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    EXPECT_EQ(Send({Hello(), Append(0, 0, bad)}), wire::Refusal::TAMPERED) << "byte " << i;
    std::filesystem::remove_all(site_.store() + "/evidence");
  }
  EXPECT_EQ(Send({Hello(), Append(0, 0, segment)}), wire::Refusal::UNKNOWN_CODE);
  EXPECT_EQ(site_.VerifyStore().verdict, ledger::Verdict::kOk);
}

TEST_F(SessionTest, EveryCutOfASegmentLeavesWhatCanBeGoneOnFrom) {
  const std::string segment = Segment();
  for (size_t cut = 1; cut < segment.size(); cut += 41) {
    const wire::Refusal::Code code = Send({Hello(), Append(0, 0, segment.substr(0, cut))});
    EXPECT_TRUE(code == wire::Refusal::TAMPERED || code == wire::Refusal::UNKNOWN_CODE)
        << code << " at " << cut << " of " << segment.size();
    {
      Session session(site_.core(), HostPeer());
      std::string out;
      ASSERT_TRUE(session.OnBytes(Bytes(Hello()), &out));
      const wire::Welcome welcome = Frames(out).at(0).welcome();
      ASSERT_LE(welcome.offset(), cut);
      ASSERT_TRUE(session.OnBytes(
          Bytes(Append(0, welcome.offset(), segment.substr(welcome.offset()))), &out));
      ASSERT_TRUE(session.Commit(&out));
    }
    EXPECT_EQ(ledger::ReadAll(site_.store() + "/" + ledger::SegmentName(0)), segment);
    site_.StopCollector();
    std::filesystem::remove_all(site_.path("collector/store"));
    site_.StartCollector();
  }
}

TEST_F(SessionTest, AConversationCutAtEveryByteNeverBreaksTheStore) {
  const std::string segment = Segment();
  const std::string talk = Bytes(Hello()) + Bytes(Append(0, 0, segment.substr(0, segment.size())));
  for (size_t cut = 0; cut < talk.size(); cut += 5) {
    Session session(site_.core(), HostPeer());
    std::string out;
    session.OnBytes(talk.substr(0, cut), &out);
    EXPECT_TRUE(site_.StoreMatches(false) || cut < Bytes(Hello()).size());
  }
}

TEST_F(SessionTest, ALogIsOpenedWhileNobodyWaitsForIt) {
  absl::Time now = absl::Now();
  site_.StopCollector();
  site_.StartCollector(
      [&](collector::CoreOptions* options) { options->now = [&] { return now; }; });
  Session session(site_.core(), HostPeer(), /*opens_elsewhere=*/true);
  std::string out;
  ASSERT_TRUE(session.OnBytes(Bytes(Hello()), &out));
  EXPECT_EQ(out, "") << "no Welcome before it is open";
  const std::shared_ptr<collector::Opening> opening = session.BeginOpening();
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(session.BeginOpening(), nullptr);
  now += absl::Seconds(3);
  ASSERT_TRUE(session.OnTick(&out));
  EXPECT_TRUE(Frames(out).at(0).has_keep_alive()) << "the host must not take us for dead";
  EXPECT_EQ(Send({Hello()}), wire::Refusal::BUSY) << "it is this session's already";
  opening->Run();
  out.clear();
  ASSERT_TRUE(session.FinishOpening(opening.get(), &out));
  EXPECT_TRUE(Frames(out).at(0).has_welcome());
  ASSERT_TRUE(session.OnBytes(Bytes(Append(0, 0, Segment())), &out));
  ASSERT_TRUE(session.Commit(&out));
  EXPECT_TRUE(site_.StoreMatches(false));
}

TEST_F(SessionTest, ASessionThatEndsWhileItsLogIsOpenedGivesItBack) {
  std::shared_ptr<collector::Opening> opening;
  {
    Session session(site_.core(), HostPeer(), /*opens_elsewhere=*/true);
    std::string out;
    ASSERT_TRUE(session.OnBytes(Bytes(Hello()), &out));
    opening = session.BeginOpening();
    ASSERT_NE(opening, nullptr);
    session.Drain(&out);
    EXPECT_EQ(RefusedWith(out), wire::Refusal::SHUTTING_DOWN);
    opening->Run();
    out.clear();
    EXPECT_FALSE(session.FinishOpening(opening.get(), &out));
    EXPECT_EQ(out, "");
  }
  EXPECT_EQ(Send({Hello()}), wire::Refusal::BUSY);
  opening.reset();
  EXPECT_EQ(Send({Hello()}), wire::Refusal::UNKNOWN_CODE);
}

TEST_F(SessionTest, RandomBytesAreRefusedNotFeared) {
  uint64_t state = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    for (int i = 0; i < 200; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes.push_back(static_cast<char>(state >> 56));
    }
    bytes[0] = bytes[1] = 0;  // a length that is within bounds
    Session session(site_.core(), HostPeer());
    std::string out;
    session.OnBytes(bytes, &out);
    session.OnTick(&out);
  }
}

TEST_F(SessionTest, AHostBeyondItsQuotaIsRefused) {
  site_.StopCollector();
  site_.StartCollector([](collector::CoreOptions* options) { options->host_store_bytes = 100; });
  EXPECT_EQ(Send({Hello(), Append(0, 0, Segment())}), wire::Refusal::QUOTA);
}

TEST_F(SessionTest, AHostThatGoesSilentIsAlarmedOnceUntilItIsHeardAgain) {
  absl::Time now = absl::Now();
  site_.StopCollector();
  site_.StartCollector([&](collector::CoreOptions* options) {
    options->now = [&] { return now; };
    options->silence_after = absl::Seconds(30);
  });
  EXPECT_EQ(Send({Hello(), Append(0, 0, Segment())}), wire::Refusal::UNKNOWN_CODE);
  const auto alarms = [&] {
    site_.core()->CheckSilence();
    return site_.core()->counters()->alarms.load();
  };
  EXPECT_EQ(alarms(), 0u);
  now += absl::Seconds(29);
  EXPECT_EQ(alarms(), 0u);
  now += absl::Seconds(2);
  EXPECT_EQ(alarms(), 1u);
  now += absl::Seconds(300);
  EXPECT_EQ(alarms(), 1u);
  EXPECT_EQ(Send({Hello()}), wire::Refusal::UNKNOWN_CODE);
  now += absl::Seconds(31);
  EXPECT_EQ(alarms(), 2u);
  // After a restart the store tells who is expected.
  site_.StopCollector();
  site_.StartCollector(
      [&](collector::CoreOptions* options) { options->now = [&] { return now; }; });
  now += absl::Seconds(31);
  EXPECT_EQ(alarms(), 1u);
}

// ---- the other way round: a hostile collector against the shipper -----------------

class HostileCollector : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    auto source = shipper::LogSource::Open(site_.host.dir());
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = std::make_unique<shipper::LogSource>(*std::move(source));
    receipts_ = std::make_unique<shipper::ReceiptBook>(site_.host.dir() + "/receipts");
    ASSERT_TRUE(receipts_->Open().ok());
    uplink_ = std::make_unique<shipper::Uplink>(
        shipper::UplinkOptions{.collector_key = site_.CollectorKey().ToString(),
                               .boot_time_ns = [] { return uint64_t{1}; }},
        source_.get(), receipts_.get(), &exposure_);
    ASSERT_TRUE(uplink_->Start(&out_).ok());
  }
  wire::Frame Welcome() const {
    wire::Frame frame;
    frame.mutable_welcome()->set_collector_key(site_.CollectorKey().ToString());
    return frame;
  }
  absl::Status Say(const wire::Frame& frame) { return uplink_->OnBytes(Bytes(frame), &out_); }
  // A cosignature over the host's newest checkpoint by this key.
  wire::Frame Receipt(uint8_t seed, const std::string& name) {
    const uint8_t bytes[32] = {seed};
    const collector::Cosigner cosigner(name, ledger::SigningKey::FromSeed(Secret32(bytes)));
    wire::Frame frame;
    frame.mutable_receipt()->set_size(source_->size());
    frame.mutable_receipt()->set_cosignature(cosigner.Sign(source_->note())->line);
    return frame;
  }

  std::unique_ptr<shipper::LogSource> source_;
  std::unique_ptr<shipper::ReceiptBook> receipts_;
  shipper::Exposure exposure_;
  std::unique_ptr<shipper::Uplink> uplink_;
  std::string out_;
};

TEST_F(HostileCollector, AReceiptByAnotherKeyIsNotStored) {
  ASSERT_TRUE(Say(Welcome()).ok());
  uint64_t taken = 0;
  ASSERT_TRUE(uplink_->Fill(1 << 20, &out_, &taken).ok());
  EXPECT_EQ(Say(Receipt(5, "collector.example")).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(std::filesystem::is_empty(site_.host.dir() + "/receipts"));
}

TEST_F(HostileCollector, AReceiptForWhatWasNotSentIsRefused) {
  EXPECT_FALSE(Say(Receipt(5, "collector.example")).ok());  // before the Welcome
  wire::Frame receipt;
  receipt.mutable_receipt()->set_size(1000);
  ASSERT_FALSE(Say(receipt).ok());
}

TEST_F(HostileCollector, AWelcomeBeyondTheLogIsRefused) {
  wire::Frame welcome = Welcome();
  welcome.mutable_welcome()->set_epoch(7);
  EXPECT_FALSE(Say(welcome).ok());
  welcome.mutable_welcome()->set_epoch(0);
  welcome.mutable_welcome()->set_offset(UINT64_MAX);
  EXPECT_FALSE(Say(welcome).ok());
}

TEST_F(HostileCollector, AWelcomeInTheMiddleOfAFrameIsADamagedFileNotASilentOne) {
  wire::Frame welcome = Welcome();
  welcome.mutable_welcome()->set_offset(5);
  ASSERT_TRUE(Say(welcome).ok());
  uint64_t taken = 0;
  EXPECT_EQ(uplink_->Fill(1 << 20, &out_, &taken).code(), absl::StatusCode::kDataLoss);
}

TEST_F(HostileCollector, AForgedOlderNoteDoesNotStartAFork) {
  wire::Frame refusal;
  refusal.mutable_refusal()->set_code(wire::Refusal::FORK);
  refusal.mutable_refusal()->set_text("trust me");
  refusal.mutable_refusal()->set_checkpoint("x/h/y/1\n1000000\nAAAA\n\n");
  EXPECT_EQ(Say(refusal).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(std::filesystem::is_empty(site_.host.dir() + "/receipts"));
}

TEST_F(HostileCollector, EveryFrameOfAHostIsNonsenseFromACollector) {
  EXPECT_FALSE(Say(Hello()).ok());
  EXPECT_FALSE(Say(Append(0, 0, "x")).ok());
}

}  // namespace
}  // namespace cairn::ship
