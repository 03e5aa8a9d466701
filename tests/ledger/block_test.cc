#include "ledger/block.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "absl/strings/str_cat.h"
#include "ledger/block_dictionary.h"
#include "ledger/format.h"

namespace cairn::ledger {
namespace {

Record Open(const std::string& path) {
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(-2);
  record.mutable_file()->set_path(path);
  return record;
}

Entry EntryOf(const Record& record, Subject* subject, uint64_t time) {
  Entry entry;
  entry.record = &record;
  entry.subject = subject;
  entry.time_ns = time;
  return entry;
}

void Fill(BlockBuilder* builder, Subject* subject, int count) {
  for (int i = 0; i < count; ++i) {
    const Record record = Open(absl::StrCat("/some/path/", i));
    ASSERT_TRUE(builder->Add(EntryOf(record, subject, 1000 + static_cast<uint64_t>(i))).ok());
  }
}

TEST(Block, RecordsComeBackCompressedOrNot) {
  for (const bool compress : {false, true}) {
    BlockBuilder builder(compress);
    Subject subject;
    subject.process.set_pid(7);
    subject.process.add_argv("seven");
    Fill(&builder, &subject, 300);
    std::string stored;
    builder.Finish(50, -5, &stored);
    Block block;
    ASSERT_TRUE(ParseBlock(stored, &block).ok());
    EXPECT_EQ(block.first_sequence(), 50u);
    EXPECT_EQ(block.records_size(), 300);
    EXPECT_EQ(block.wall_offset_ns(), -5);
    EXPECT_EQ(block.processes_size(), 1);
    EXPECT_EQ(block.first_time_ns(), 1000u);
    EXPECT_EQ(block.last_time_ns(), 1299u);
    EXPECT_EQ(block.records(299).file().path(), "/some/path/299");
    EXPECT_EQ(block.records(299).time_delta_ns(), 299);
    EXPECT_EQ(block.records(299).ret(), -2);
    BlockHead head;
    ASSERT_TRUE(ParseBlockHead(stored, &head).ok());
    EXPECT_EQ(head.record_count, 300u);
  }
}

// What zstd's own tools do with it: proto/FORMAT.md §3.
TEST(Block, SmallOnesAreCompressedByTheDictionary) {
  BlockBuilder builder(true);
  Subject subject;
  subject.process.set_exe("/usr/bin/cat");
  const Record record = Open("/usr/lib/x86_64-linux-gnu/libc.so.6");
  ASSERT_TRUE(builder.Add(EntryOf(record, &subject, 1000)).ok());
  std::string stored;
  builder.Finish(0, 0, &stored);
  Block block;
  ASSERT_TRUE(block.ParseFromString(stored));
  EXPECT_LT(block.zstd().size(), block.inflated_bytes());
  const auto id = ZSTD_getDictID_fromFrame(block.zstd().data(), block.zstd().size());
  EXPECT_EQ(id, kBlockDictionaryId);
  EXPECT_EQ(ZSTD_getDictID_fromDict(BlockDictionary().data(), BlockDictionary().size()), id);
  ASSERT_TRUE(ParseBlock(stored, &block).ok());
  EXPECT_EQ(block.records(0).file().path(), record.file().path());
}

// What another reader of the same frame would refuse, or read otherwise, is no block.
TEST(Block, AFrameIsOneAndByTheDictionaryItNames) {
  BlockBuilder builder(true);
  Subject subject;
  Fill(&builder, &subject, 20);
  std::string stored;
  builder.Finish(0, 0, &stored);
  Block block;
  ASSERT_TRUE(block.ParseFromString(stored));
  const std::string frame = block.zstd();
  const auto verdict = [&](const std::string& zstd) {
    Block changed = block, unused;
    changed.set_zstd(zstd);
    return std::string(ParseBlock(changed.SerializeAsString(), &unused).message());
  };
  EXPECT_EQ(verdict(frame), "");
  std::string other = frame;  // RFC 8878 §3.1.1.1: magic, descriptor, window, dictionary id
  EXPECT_EQ(other.substr(6, 2), "\x01\x80");
  other[6] = '\x02';
  EXPECT_EQ(verdict(other), "not a block: malformed zstd");
  std::string none = frame;
  none[4] = static_cast<char>(none[4] & ~3);
  none.erase(6, 2);
  EXPECT_EQ(verdict(none), "not a block: malformed zstd");
  EXPECT_EQ(verdict(frame + frame), "not a block: malformed zstd");
  std::string legacy = frame;  // zstd 0.7, which some builds of the library read
  legacy[0] = '\x27';
  EXPECT_EQ(verdict(legacy), "not a block: malformed zstd");
  std::string window = frame;  // of 2 MiB
  window[5] = static_cast<char>(11 << 3);
  EXPECT_EQ(verdict(window), "not a block: malformed zstd");
  Block beside = block, unused;
  beside.add_records()->set_type(FILE_OPEN);
  EXPECT_EQ(ParseBlock(beside.SerializeAsString(), &unused).message(),
            "not a block: records beside zstd");
  Block within;
  ASSERT_TRUE(ParseBlock(stored, &within).ok());
  std::string inside = within.SerializeAsString(), packed(ZSTD_compressBound(inside.size()), ' ');
  ZSTD_CCtx* const zstd = ZSTD_createCCtx();  // its fields 1 to 7 as well
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
  packed.resize(ZSTD_compress2(zstd, packed.data(), packed.size(), inside.data(), inside.size()));
  ZSTD_freeCCtx(zstd);
  Block twice = block;
  twice.set_zstd(packed);
  twice.set_inflated_bytes(static_cast<uint32_t>(inside.size()));
  EXPECT_EQ(ParseBlock(twice.SerializeAsString(), &unused).message(),
            "not a block: malformed protobuf within zstd");
  const std::string empty("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", 9);
  EXPECT_EQ(verdict(frame + empty), "not a block: malformed zstd");
}

TEST(Block, DetailsStandOncePerSegmentAndIdentityOncePerBlock) {
  BlockBuilder builder(false);
  Subject subject;
  subject.process.set_pid(7);
  subject.process.add_argv("seven");
  const auto block_of = [&] {
    Fill(&builder, &subject, 3);
    std::string stored;
    builder.Finish(0, 0, &stored);
    Block block;
    EXPECT_TRUE(ParseBlock(stored, &block).ok());
    EXPECT_EQ(block.processes_size(), 1);
    return block;
  };
  EXPECT_EQ(block_of().processes(0).argv_size(), 1);
  EXPECT_EQ(block_of().processes(0).argv_size(), 0);
  EXPECT_EQ(block_of().processes(0).pid(), 7u);
  builder.StartSegment();
  EXPECT_EQ(block_of().processes(0).argv_size(), 1);
  subject.Changed();
  EXPECT_EQ(block_of().processes(0).argv_size(), 1);
}

TEST(Block, IsNeverLongerThanItsLimit) {
  BlockBuilder builder(false);
  const Record record = Open(std::string(3000, 'p'));
  int added = 0;
  while (builder.Add(EntryOf(record, nullptr, 1)).ok()) ++added;
  EXPECT_GT(added, 15);
  std::string stored;
  builder.Finish(UINT64_MAX, INT64_MIN, &stored);
  EXPECT_LE(stored.size(), kMaxBlockBytes);
  EXPECT_TRUE(builder.Add(EntryOf(record, nullptr, 1)).ok()) << "empty again";
}

TEST(Block, FlagsTellUrgentAndReceiptsOnly) {
  BlockBuilder builder(false);
  Record receipt;
  receipt.set_type(AGENT_RECEIPT);
  ASSERT_TRUE(builder.Add(EntryOf(receipt, nullptr, 1)).ok());
  EXPECT_EQ(builder.flags(), kBlockReceiptsOnly);
  const Record open = Open("/x");
  Entry urgent = EntryOf(open, nullptr, 1);
  urgent.urgent = true;
  ASSERT_TRUE(builder.Add(urgent).ok());
  EXPECT_EQ(builder.flags(), kBlockUrgent);
}

// Readers look at the first record without asking whether there is one.
TEST(Block, WithoutRecordsIsRefused) {
  Block block;
  block.set_first_sequence(7);
  EXPECT_FALSE(ParseBlock(block.SerializeAsString(), &block).ok());
}

TEST(Block, MalformedBytesAreRefused) {
  BlockBuilder builder(true);
  Fill(&builder, nullptr, 300);
  std::string stored;
  builder.Finish(0, 0, &stored);
  Block block;
  ASSERT_TRUE(ParseBlock(stored, &block).ok());
  EXPECT_FALSE(ParseBlock(std::string(kMaxBlockBytes + 1, 'x'), &block).ok());
  EXPECT_FALSE(ParseBlock("\xff\xff\xff", &block).ok());
  Block lying;
  lying.set_record_count(2);
  lying.add_records()->set_type(FILE_OPEN);
  EXPECT_FALSE(ParseBlock(lying.SerializeAsString(), &block).ok());
  lying.set_record_count(1);
  lying.mutable_records(0)->set_process_ref(1);
  EXPECT_FALSE(ParseBlock(lying.SerializeAsString(), &block).ok());
  lying.mutable_records(0)->clear_process_ref();
  lying.mutable_records(0)->add_rule_refs(1);
  EXPECT_FALSE(ParseBlock(lying.SerializeAsString(), &block).ok());
  Block bomb;
  bomb.set_zstd("xx");
  bomb.set_inflated_bytes(1u << 30);
  EXPECT_FALSE(ParseBlock(bomb.SerializeAsString(), &block).ok());
}

}  // namespace
}  // namespace cairn::ledger
