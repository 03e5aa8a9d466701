// Attacks on whoever verifies: files that would have it run out of memory, hang, follow links, or
// write to the terminal. Every one ends in a verdict and an exit code.
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "ledger/format.h"
#include "tests/attack/attack.h"
#include "tests/attack/forge.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace cairn::attack {
namespace {

using ledger::FrameType;

class AttackOnTheVerifier : public AttackTest {
 protected:
  struct Ran {
    int code = 0;
    std::string out;  // stdout and stderr
  };
  // `cairn verify` with 512 MiB of address space and 60 seconds.
  static Ran RunVerify(const std::string& arguments) {
    Ran ran;
    // The address sanitizer reserves terabytes: under it the bound on memory is not tested.
#ifdef __SANITIZE_ADDRESS__
    const absl::string_view bound = "";
    std::fputs("NOT TESTED: 512 MiB of address space: every build without the sanitizer does\n",
               stderr);
#else
    const absl::string_view bound = "ulimit -v 524288; ";
#endif
    ran.code = Shell(absl::StrCat(bound, "exec timeout 60 ", ProgramPath("cairn"), " verify ",
                                  arguments, " 2>&1"),
                     &ran.out);
    return ran;
  }
  static bool HarmlessToATerminal(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
      return c == '\n' || !absl::ascii_iscntrl(static_cast<unsigned char>(c));
    });
  }
  // A log of one segment: `header` (checksum repaired) and `frames`.
  std::string Log(const SegmentHeader& header, const std::string& frames) {
    const std::string dir = elsewhere_.path() + "/log";
    std::filesystem::remove_all(dir);
    std::filesystem::create_directory(dir);
    ledger::WriteAllTo(dir + "/0000000000.seg", ledger::MakeHeader(header) + frames);
    return dir;
  }
  static SegmentHeader FirstHeader() {
    SegmentHeader header;
    header.set_origin(ledger::kTestOrigin);
    header.set_chain(std::string(ledger::View(ledger::ChainOrigin(ledger::kTestOrigin))));
    header.set_previous_end("none");
    return header;
  }
  const ledger::TempDir elsewhere_;
};

TEST_F(AttackOnTheVerifier, ALengthOfFourGiB) {
  ShownBy(Anchor::kNone);
  const std::string good = Bytes(1);
  for (const uint32_t length : {0xffffffffu, 0x80000000u, 0x7fffffffu, 65552u}) {
    std::string bytes = good;
    const size_t at = Segment::Take(bytes).header.size();
    std::string prefix;
    PutU32(&prefix, length);
    bytes.replace(at, 4, prefix);
    const ledger::Report report = VerifyWith(1, bytes);
    EXPECT_TRUE(Tampered(report, "frame", kEpochBlocks)) << length;
    // In the header's place.
    bytes = good;
    bytes.replace(ledger::kMagicBytes, 4, prefix);
    EXPECT_TRUE(Tampered(VerifyWith(1, bytes), "header", kEpochBlocks)) << length;
    ledger::WriteAllTo(log_.SegmentPath(1), bytes);
    const Ran ran =
        RunVerify(absl::StrCat("--key ", log_.verifier_key().ToString(), " ", log_.dir.path()));
    EXPECT_EQ(ran.code, 1) << ran.out;
    EXPECT_EQ(ran.out.find("TAMPERED(header, block 12, record 12"), 0u) << ran.out;
    ledger::WriteAllTo(log_.SegmentPath(1), good);
  }
}

TEST_F(AttackOnTheVerifier, ABlockThatInflatesToAGiB) {
  ShownBy(Anchor::kNone);
  const std::string zeros(1 << 24, '\0');
  std::string packed(ZSTD_compressBound(zeros.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), zeros.data(), zeros.size(), 19));
  ASSERT_LT(packed.size(), size_t{60000});
  for (const uint32_t stated : {1u << 30, 1u << 20, 1u}) {
    Block block;
    block.set_record_count(1);
    block.set_flags(ledger::kBlockUrgent);
    block.set_zstd(packed);
    block.set_inflated_bytes(stated);
    const std::string dir =
        Log(FirstHeader(),
            ledger::MakeFrame(FrameType::kBlock, std::string(16, 't') + block.SerializeAsString()));
    EXPECT_TRUE(Tampered(ledger::VerifyLog(dir, {}), "block", 0)) << stated;
    EXPECT_EQ(RunVerify(dir).code, 1);
  }
}

TEST_F(AttackOnTheVerifier, TerminalEscapesEverywhere) {
  ShownBy(Anchor::kNone);
  const std::string escape =
      "\x1b]0;owned\x07\x1b[2J\r\b\x7f\xc2\x9b"
      "31m\xe2\x80\xae";
  SegmentHeader header = FirstHeader();
  header.set_origin("test.example/" + escape);
  header.set_chain(std::string(ledger::View(ledger::ChainOrigin(header.origin()))));
  header.set_environment(escape);
  header.set_previous_end(escape);
  const std::string dir = Log(header, ledger::MakeFrame(FrameType::kBlock, escape + escape));
  std::filesystem::create_directory(dir + "/receipts");
  ledger::WriteAllTo(dir + "/receipts/" + escape, escape);
  ledger::WriteAllTo(dir + "/checkpoint", escape);
  const std::string renamed = elsewhere_.path() + "/" + escape;
  std::filesystem::rename(dir, renamed);
  for (const std::string& more : {std::string(), std::string(" -o json"),
                                  absl::StrCat(" --key '", log_.verifier_key().ToString(), "'")}) {
    const Ran ran = RunVerify(absl::StrCat("\"", renamed, "\"", more));
    EXPECT_NE(ran.code, 0);
    EXPECT_TRUE(HarmlessToATerminal(ran.out)) << more;
    EXPECT_EQ(ran.out.find("\xe2\x80\xae"), std::string::npos) << "it turns the text around";
    EXPECT_EQ(ran.out.find("\xc2\x9b"), std::string::npos) << "a C1 escape";
  }
}

TEST_F(AttackOnTheVerifier, LinksPipesAndDirectoriesInPlaceOfFiles) {
  ShownBy(Anchor::kNone);
  const std::string path = log_.SegmentPath(1);
  const std::string good = Bytes(1);
  const std::string arguments =
      absl::StrCat("--key ", log_.verifier_key().ToString(), " ", log_.dir.path());
  std::filesystem::rename(path, elsewhere_.path() + "/target");
  const std::function<void()> replacements[] = {
      [&] { std::filesystem::create_symlink(elsewhere_.path() + "/target", path); },
      [&] { std::filesystem::create_symlink("/dev/zero", path); },
      [&] { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
      [&] { std::filesystem::create_directory(path); }};
  for (const auto& replace : replacements) {
    replace();
    const Ran ran = RunVerify(arguments);
    EXPECT_TRUE(ran.code == 1 || ran.code == 3) << ran.code << ran.out;
    std::filesystem::remove_all(path);
  }
  ledger::WriteAllTo(path, good);
  // What the shipper's directory holds is believed by its signatures alone, and read only as files.
  std::filesystem::create_directory(log_.dir.path() + "/receipts");
  ASSERT_EQ(::mkfifo((log_.dir.path() + "/receipts/pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", log_.dir.path() + "/receipts/zero");
  std::filesystem::create_directory(log_.dir.path() + "/receipts/dir");
  for (const char* file : {"/checkpoint", "/rotation"}) {
    std::filesystem::remove(log_.dir.path() + file);
    ASSERT_EQ(::mkfifo((log_.dir.path() + file).c_str(), 0600), 0);
  }
  const Ran ran = RunVerify(arguments);
  EXPECT_EQ(ran.code, 0) << ran.out;
}

TEST_F(AttackOnTheVerifier, NumbersAtTheirLimits) {
  ShownBy(Anchor::kNone);
  for (const uint64_t number : {uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 1}) {
    SegmentHeader header = FirstHeader();
    header.set_epoch(number);
    header.set_first_sequence(number);
    header.set_previous_valid_bytes(number);
    header.set_created_wall_ns(number);
    header.set_carried_blocks(UINT32_MAX);
    header.set_first_block(number);
    for (int i = 0; i < std::popcount(number); ++i) header.add_frontier(std::string(32, 'f'));
    Block block;
    block.set_first_sequence(number);
    block.set_record_count(UINT32_MAX);
    block.set_first_time_ns(number);
    block.set_last_time_ns(number);
    block.set_wall_offset_ns(INT64_MIN);
    std::string frames =
        ledger::MakeFrame(FrameType::kBlock, std::string(16, 't') + block.SerializeAsString());
    frames += ledger::MakeCommit({number, {}, number});
    EXPECT_EQ(RunVerify(Log(header, frames)).code, 1);
    header.set_flags(1);
    EXPECT_EQ(RunVerify(Log(header, frames)).code, 1);
  }
}

TEST_F(AttackOnTheVerifier, WhatIsNoLog) {
  ShownBy(Anchor::kNone);
  const std::string dir = elsewhere_.path() + "/none";
  EXPECT_EQ(RunVerify(dir).code, 3);
  std::filesystem::create_directory(dir);
  EXPECT_EQ(RunVerify(dir).code, 3);
  for (const std::string& content :
       {std::string(), std::string("x"), std::string("CAIRNSG1"), std::string(100000, '\0'),
        std::string(ledger::kMagic) + std::string(8, '\xff')}) {
    ledger::WriteAllTo(dir + "/0000000000.seg", content);
    const Ran ran = RunVerify(dir);
    EXPECT_TRUE(ran.code == 1 || ran.code == 3) << ran.code << ran.out;
  }
}

// Trust is a pinned key, never what lies beside the log.
TEST_F(AttackOnTheVerifier, BringYourOwnKey) {
  ShownBy(Anchor::kNone);
  Forger forger(ledger::kTestOrigin, 99);
  forger.Open();
  forger.Add("/mine");
  forger.Seal();
  const ledger::TempDir dir;
  forger.Save(dir.path());
  ASSERT_NE(forger.verifier_key().public_key, log_.verifier_key().public_key);
  Ran ran = RunVerify(dir.path());
  EXPECT_EQ(ran.code, 2) << ran.out;
  EXPECT_EQ(ran.out.find("INCOMPLETE(0)"), 0u) << ran.out;
  ran = RunVerify(absl::StrCat("--key ", log_.verifier_key().ToString(), " ", dir.path()));
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out.find("TAMPERED(signature, block 0, record 0"), 0u) << ran.out;
}

}  // namespace
}  // namespace cairn::attack
