// A limit on what a host sends, and what it must not hold back.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "agent/shipper/bandwidth_limit.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

constexpr uint64_t kPiece = 256 << 10;

// More than three pieces of log, which do not compress away, on a host that is not connected yet.
void WriteMuch(Site* site) {
  site->host.Open();
  while (site->FirstSegment().size() < 4 * kPiece) {
    site->host.Append(10000);
    site->host.Sync();
  }
}

// The first piece goes at once (it has the epoch's opening, which is urgent), and the bucket may be
// a piece in debt at the end.
TEST(Bandwidth, ALimitHolds) {
  Site site;
  WriteMuch(&site);
  site.StartCollector();
  shipper::ShipperOptions options = site.ShipperOptions();
  options.bytes_per_second = 2 * kPiece;
  const uint64_t bytes = site.FirstSegment().size();
  const absl::Time start = absl::Now();
  ASSERT_TRUE(site.ShipAll(options, absl::Seconds(60)));
  EXPECT_GE(absl::Now() - start, absl::Seconds(static_cast<double>(bytes - 2 * kPiece) /
                                               static_cast<double>(options.bytes_per_second)));
  EXPECT_TRUE(site.StoreMatches(/*whole=*/true));
}

TEST(Bandwidth, AnUrgentRecordIsNotHeldBackNorWhatStandsBeforeIt) {
  Site site;
  WriteMuch(&site);
  site.StartCollector();
  shipper::ShipperOptions options = site.ShipperOptions();
  options.bytes_per_second = 1000;  // a quarter of an hour for all of it
  EXPECT_FALSE(site.ShipAll(options, absl::Seconds(2)));
  const uint64_t before = site.core()->counters()->bytes;
  EXPECT_LT(before, 3 * kPiece);
  site.host.Append(1, /*urgent=*/true);
  site.host.Sync();
  EXPECT_TRUE(site.ShipAll(options, absl::Seconds(30)));
  EXPECT_TRUE(site.StoreMatches(/*whole=*/false));
}

TEST(BandwidthLimit, AsksTheBucketBehindTheNewestUrgentRecordAlone) {
  Site site;
  WriteMuch(&site);
  site.host.Append(1, /*urgent=*/true);
  site.host.Append(100);
  site.host.Sync();
  auto source = shipper::LogSource::Open(site.host.dir());
  ASSERT_TRUE(source.ok());
  const shipper::Cursor end = source->limit();
  shipper::Cursor middle;
  while (middle.offset < 2 * kPiece) ASSERT_TRUE(source->Read(&middle, kPiece).ok());
  shipper::BandwidthLimit limit(1000, *std::move(source));
  absl::Time now = absl::FromUnixSeconds(0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(limit.MaySend(now, middle).ok());
  EXPECT_TRUE(*limit.MaySend(now, middle)) << "an urgent record waits";
  limit.Sent(1'000'000);
  EXPECT_FALSE(*limit.MaySend(now, end)) << "nothing was saved up";
  now += absl::Milliseconds(2);
  EXPECT_TRUE(*limit.MaySend(now, end)) << "what is urgent is not paid for";
  limit.Sent(5001);
  now += absl::Milliseconds(4990);
  EXPECT_FALSE(*limit.MaySend(now, end));
  now += absl::Milliseconds(20);
  EXPECT_TRUE(*limit.MaySend(now, end));
  now += absl::Hours(1);
  EXPECT_TRUE(*limit.MaySend(now, end));
  limit.Sent(1001);
  EXPECT_FALSE(*limit.MaySend(now, end)) << "one second's bytes are saved up, not an hour's";
}

}  // namespace
}  // namespace cairn::ship
