// What S3 services answer: the forms of AWS and of Ceph.
#include <gtest/gtest.h>

#include "archive/s3_listing.h"

namespace cairn::archive {
namespace {

constexpr char kCeph[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListVersionsResult "
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>arch</Name><Prefix>d/</Prefix>"
    "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Version><Key>d/a.seg</Key>"
    "<VersionId>v2</VersionId><IsLatest>true</IsLatest><ETag>&quot;b1&quot;</ETag><Size>6</Size>"
    "</Version><DeleteMarker><Key>d/a.seg</Key><VersionId>dm</VersionId></DeleteMarker>"
    "<Version><Key>d/a.seg</Key><VersionId>v1</VersionId></Version>"
    "<Version><Key>d/b &amp; c</Key><VersionId>v3</VersionId></Version></ListVersionsResult>";

TEST(Listing, VersionsAndDeleteMarkersComeInTheirOrder) {
  const auto page = ParseVersions(kCeph);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->versions.size(), 4u);
  EXPECT_FALSE(page->more);
  EXPECT_EQ(page->versions[0].version, "v2");
  EXPECT_TRUE(page->versions[1].deleted);
  EXPECT_EQ(page->versions[2].version, "v1");
  EXPECT_EQ(page->versions[3].key, "d/b & c");
}

TEST(Listing, APageThatIsNotTheLastSaysWhereToGoOn) {
  const auto page = ParseVersions(
      "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
      "<NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>");
  ASSERT_TRUE(page.ok());
  EXPECT_TRUE(page->more);
  EXPECT_EQ(page->next_key, "k");
  EXPECT_EQ(page->next_version, "v");
  EXPECT_FALSE(
      ParseVersions("<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>")
          .ok());
}

TEST(Listing, EveryCutOfAnAnswerIsRefusedOrShorter) {
  const std::string whole(kCeph);
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto page = ParseVersions(whole.substr(0, size));
    if (page.ok()) EXPECT_LE(page->versions.size(), 4u);
  }
}

TEST(Listing, OtherAnswersAreNoLists) {
  for (const char* text : {"", "<Error><Code>NoSuchBucket</Code></Error>", "\x01\x02", "<a/>"}) {
    EXPECT_FALSE(ParseVersions(text).ok()) << text;
    EXPECT_FALSE(ParseKeys(text).ok()) << text;
  }
  EXPECT_EQ(XmlText("<Error><Code>NoSuchBucket</Code></Error>", "Code"), "NoSuchBucket");
}

}  // namespace
}  // namespace cairn::archive
