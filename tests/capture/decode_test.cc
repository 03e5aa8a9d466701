#include "agent/capture/decode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/capture/dns.h"
#include "gtest/gtest.h"
#include "tests/capture/event_bytes.h"

namespace cairn::capture {
namespace {

std::string Joined(const std::string& components, uint8_t flags = 0) {
  std::string path = "left over";
  JoinComponents({components, 0, flags, true}, &path);
  return path;
}

TEST(EventView, ComponentsBecomeAPath) {
  EXPECT_EQ(Joined(""), "/");
  EXPECT_EQ(Joined("passwd/etc/"), "/etc/passwd");
  EXPECT_EQ(Joined("c/b/", STRING_PARTIAL), "b/c");
  EXPECT_EQ(Joined("[eventfd]/", STRING_DETACHED), "[eventfd]");
  EXPECT_EQ(Joined("/", STRING_DETACHED), "");
  EXPECT_EQ(Joined("no-end"), "/no-en");
}

std::string OpenBytes() {
  event_file body = {};
  body.ret = 3;
  body.fd = 3;
  body.inode = 77;
  body.device = 8 << 20 | 1;
  body.mode = S_IFREG | 0644;
  body.fmode = 3;
  body.flags = O_RDWR | O_APPEND;
  return Bytes(Header(FILE_OPEN, LAYOUT_FILE)) + Bytes(body) + String(STRING_PATH, "b/a/");
}

TEST(Decode, AnOpenedFile) {
  EventView view;
  const std::string bytes = OpenBytes();
  ASSERT_TRUE(ParseEvent(bytes, &view));
  view.header.call = CALL_OPENAT;
  Decoder decoder;
  const Record* record = decoder.Decode(view);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->type(), FILE_OPEN);
  EXPECT_EQ(record->ret(), 3);
  EXPECT_EQ(record->file().path(), "/a/b");
  EXPECT_EQ(record->file().source(), PATH_OBJECT);
  EXPECT_EQ(record->file().device(), makedev(8, 1));
  EXPECT_EQ(record->file().inode(), 77u);
  EXPECT_EQ(record->file().access(), 7u);
  EXPECT_EQ(record->file().mode(), uint32_t{S_IFREG | 0644});
}

TEST(Decode, EveryTruncationIsRefusedOrWhole) {
  const std::string bytes = OpenBytes();
  const size_t fixed = sizeof(event_header) + sizeof(event_file);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EventView view;
    EXPECT_EQ(ParseEvent(absl::string_view(bytes.data(), size), &view), size == fixed) << size;
  }
}

TEST(Decode, AStringLongerThanItsRecordIsRefused) {
  std::string bytes = OpenBytes();
  for (int kind = 0; kind < 256; ++kind) {
    EventView view;
    std::string changed = bytes;
    changed[sizeof(event_header) + sizeof(event_file)] = static_cast<char>(kind);
    EXPECT_EQ(ParseEvent(changed, &view), kind > 0 && kind < STRING_KINDS);
  }
  bytes[sizeof(event_header) + sizeof(event_file) + 2] = 5;  // len
  EventView view;
  EXPECT_FALSE(ParseEvent(bytes, &view));
}

TEST(Decode, NothingOfTheLastEventStaysInTheNext) {
  Decoder decoder;
  EventView view;
  const std::string open = OpenBytes();
  ASSERT_TRUE(ParseEvent(open, &view));
  Record* record = decoder.Decode(view);
  record->set_severity(SEVERITY_HIGH);
  record->add_redactions("r");
  event_file body = {};
  body.ret = -2;
  body.fd = -1;
  const std::string bytes =
      Bytes(Header(FILE_DELETE, LAYOUT_FILE)) + Bytes(body) + String(STRING_ARGUMENT, "x");
  ASSERT_TRUE(ParseEvent(bytes, &view));
  const Record* next = decoder.Decode(view);
  EXPECT_EQ(next, record);  // reused
  Record want;
  want.set_type(FILE_DELETE);
  want.set_source(SOURCE_EBPF);
  want.set_ret(-2);
  want.mutable_file()->set_path("x");
  want.mutable_file()->set_source(PATH_ARGUMENT);
  EXPECT_EQ(next->SerializeAsString(), want.SerializeAsString());
}

TEST(Decode, ACutArgumentSaysItsLength) {
  event_file body = {};
  body.fd = -1;
  const std::string bytes =
      Bytes(Header(FILE_DELETE, LAYOUT_FILE)) + Bytes(body) + String(STRING_ARGUMENT, "abc", 4096);
  EventView view;
  ASSERT_TRUE(ParseEvent(bytes, &view));
  Decoder decoder;
  EXPECT_EQ(decoder.Decode(view)->file().path_length(), 4096u);
}

TEST(Decode, AnUnknownTypeIsNoRecord) {
  Decoder decoder;
  for (int type = 0; type < 256; ++type) {
    EventView view;
    const std::string bytes =
        Bytes(Header(static_cast<uint8_t>(type), LAYOUT_EXIT)) + Bytes(event_exit{});
    ASSERT_TRUE(ParseEvent(bytes, &view));
    EXPECT_EQ(decoder.Decode(view) != nullptr, EventType_IsValid(type) && type != 0);
  }
}

TEST(Decode, AUnixPathEndsAtItsNulAnAbstractNameDoesNot) {
  event_net body = {};
  body.family = 1;
  for (const auto& [given, want] : std::vector<std::pair<std::string, std::string>>{
           {std::string("/run/x\0junk", 11), "/run/x"},
           {std::string("\0a\0b", 4), std::string("\0a\0b", 4)},
           {"", ""}}) {
    const std::string bytes =
        Bytes(Header(NET_CONNECT, LAYOUT_NET)) + Bytes(body) + String(STRING_SOCKET, given);
    EventView view;
    ASSERT_TRUE(ParseEvent(bytes, &view));
    Decoder decoder;
    EXPECT_EQ(decoder.Decode(view)->net().path(), want);
  }
}

TEST(Dns, TheQuestionOfAMessage) {
  const std::string head("\x12\x34\x01\0\0\1\0\0\0\0\0\0", 12);
  const std::string question("\7example\3com\0\0\x1c\0\1", 17);
  std::string name;
  uint32_t type = 0;
  bool response = true;
  ASSERT_TRUE(ParseDnsQuestion(head + question, &name, &type, &response));
  EXPECT_EQ(name, "example.com");
  EXPECT_EQ(type, 28u);
  EXPECT_FALSE(response);
  const std::string whole = head + question;
  for (size_t size = 0; size + 2 < whole.size(); ++size) {  // the class is not read
    EXPECT_FALSE(ParseDnsQuestion(whole.substr(0, size), &name, &type, &response)) << size;
  }
  std::string pointer = whole;
  pointer[12] = '\xc0';
  EXPECT_FALSE(ParseDnsQuestion(pointer, &name, &type, &response));
  std::string longest = head;
  for (int i = 0; i < 10; ++i) longest += std::string(1, 63) + std::string(63, 'a');
  EXPECT_FALSE(ParseDnsQuestion(longest + std::string(5, 0), &name, &type, &response));
}

}  // namespace
}  // namespace cairn::capture
