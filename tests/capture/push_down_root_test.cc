// What is recorded is the same with push-down and without it, whatever is renamed, linked,
// mounted, whoever does it, and when the policy changes meanwhile; only less comes up.
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/capture/capture.h"
#include "gtest/gtest.h"
#include "policy/compile.h"
#include "policy/guards.h"

namespace cairn::capture {
namespace {

constexpr char kFirst[] = R"(schema: cairn.policy/v1
metadata: {name: one, serial: 1, owner: test}
categories: {file: "off", net: "off"}
rules:
  - {id: inside, on: [file.open, file.create, file.write, file.delete], when: 'file.path.startsWith("IN/")'}
  - {id: other, on: [file.open], when: 'file.path == "/etc/hostname"'}
  - {id: user, on: [net.socket, file.chmod], when: 'process.uid == 4242'}
  - {id: program, on: [file.pipe], when: 'process.exe.startsWith("/usr/bin/python")'}
)";
constexpr char kSecond[] = R"(schema: cairn.policy/v1
metadata: {name: two, serial: 2, owner: test}
categories: {file: "off", net: "off"}
rules:
  - {id: outside, on: [file.open, file.create, file.delete], when: 'file.path.startsWith("OUT/")'}
  - {id: everything, on: [file.chmod]}
  - {id: user, on: [net.socket], when: 'process.uid == 0'}
)";

std::shared_ptr<const policy::CompiledPolicy> Compile(const std::string& text) {
  std::vector<policy::Problem> problems;
  std::vector<policy::Source> sources = {policy::ReadSource("test.yaml", text, &problems)};
  policy::CompileOptions options;
  options.own_paths = {"/etc/cairn/"};
  auto policy = policy::CompilePolicy(std::move(sources), options, &problems);
  for (const policy::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return policy;
}

// One capture and what its policy keeps of it.
class Pipeline {
 public:
  Pipeline(bool push_down, std::shared_ptr<const policy::CompiledPolicy> policy)
      : policy_(std::move(policy)) {
    auto started =
        Capture::Start({.audit = AuditMode::kOff, .ring_bytes = 32 << 20, .push_down = push_down});
    EXPECT_TRUE(started.ok()) << started.status();
    capture_ = *std::move(started);
    EXPECT_TRUE(capture_->SetWanted(policy_->wanted(), policy::GuardsOf(*policy_)).ok());
    Drain();
    came_up_ = 0;
  }

  void Drain() {
    for (int i = 0; i < 4; ++i) {
      usleep(3000);
      capture_->Drain([&](const Captured& captured) { Take(captured); });
      capture_->Settle();
    }
  }
  // As agent/reloader.cc does it.
  void Swap(std::shared_ptr<const policy::CompiledPolicy> next) {
    policy::Wanted both = policy_->wanted();
    both.types |= next->wanted().types;
    EXPECT_TRUE(
        capture_->SetWanted(both, policy::GuardsOf(*policy_).Union(policy::GuardsOf(*next))).ok());
    Drain();
    policy_ = std::move(next);
    EXPECT_TRUE(capture_->SetWanted(policy_->wanted(), policy::GuardsOf(*policy_)).ok());
  }
  bool HasKernel() const { return capture_->backend() != "audit-only"; }

  std::multiset<std::string> kept_;
  size_t came_up_ = 0;

 private:
  void Take(const Captured& captured) {
    const Record& record = *captured.record;
    EXPECT_FALSE(record.has_loss()) << record.ShortDebugString();
    if (captured.subject == nullptr) return;
    const bool judged = record.type() >= FILE_OPEN && record.type() <= NET_RAW_SOCKET;
    came_up_ += judged && Ours(captured);
    policy::Decision decision;
    policy_->Decide({captured.time_ns, captured.record, &captured.subject->process}, &decision);
    if (!judged || decision.verdict == policy::Verdict::kDrop || !Ours(captured)) return;
    kept_.insert(absl::StrCat(record.type(), " ", captured.subject->process.pid(), " ",
                              record.file().path(), " ", record.ret(), " ",
                              decision.rules.empty() ? "" : *decision.rules[0]));
  }

  // Others may be at work on this machine.
  static bool Ours(const Captured& captured) {
    for (const Ancestor& ancestor : captured.subject->process.ancestors()) {
      if (ancestor.pid() == static_cast<uint32_t>(getpid())) return true;
    }
    return false;
  }

  std::unique_ptr<Capture> capture_;
  std::shared_ptr<const policy::CompiledPolicy> policy_;
};

class PushDown : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
    for (std::string* dir : {&in_, &out_}) {
      char name[] = "/tmp/cairn-push-XXXXXX";
      ASSERT_NE(mkdtemp(name), nullptr);
      *dir = name;
    }
  }
  void TearDown() override { Run("rm -rf IN OUT"); }

  std::string Named(absl::string_view text) const {
    return absl::StrReplaceAll(text, {{"IN", in_}, {"OUT", out_}});
  }
  void Run(const std::string& command) const { (void)!system(Named(command).c_str()); }

  std::string in_, out_;
};

const char* const kActs[] = {
    "echo x > IN/a; cat IN/a /etc/hostname >/dev/null; echo x > OUT/a; cat OUT/a",
    "mv IN/a OUT/moved; cat OUT/moved; mv OUT/moved IN/back; cat IN/back",
    "ln IN/back OUT/hard; cat OUT/hard; ln -s IN/back OUT/soft; cat OUT/soft; cd IN && cat back",
    "mkdir -p IN/d/e; mv IN/d OUT/d; echo y > OUT/d/e/f; mv OUT/d IN/d; cat IN/d/e/f",
    "unshare -m sh -c 'mount --bind OUT IN && cat IN/a; umount IN; cat IN/back'",
    "unshare -m sh -c 'mount -t tmpfs none OUT && echo z > OUT/t && mount --move OUT IN && cat "
    "IN/t'",
    "cat IN/none; rm -f IN/none; rm IN/back; chmod 600 OUT/a; cat ../../../IN/../IN/d/e/f",
    "python3 -c 'import os,socket; os.pipe(); socket.socket(); os.setuid(4242); "
    "socket.socket(); os.pipe()'",
    "python3 -c 'import os; os.setuid(4242); os.execv(\"/usr/bin/python3\", [\"p\", \"-c\", "
    "\"import socket,os; socket.socket(); os.pipe()\"])'",
    "chroot / cat IN/d/e/f; (cd / && cat /proc/self/root/IN/d/e/f)",
};

TEST_F(PushDown, TheSameIsRecordedAndLessComesUp) {
  const auto first = Compile(Named(kFirst)), second = Compile(Named(kSecond));
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  Pipeline with(true, first), without(false, first);
  if (!with.HasKernel()) GTEST_SKIP() << "NOT TESTED: no kernel events";
  for (int round = 0; round < 3; ++round) {
    for (const char* act : kActs) {
      Run(absl::StrCat("(", act, ") >/dev/null 2>&1"));
      with.Drain();
      without.Drain();
    }
    with.Swap(round % 2 == 0 ? second : first);
    without.Swap(round % 2 == 0 ? second : first);
  }
  EXPECT_EQ(with.kept_, without.kept_);
  EXPECT_GT(with.kept_.size(), 40u);
  EXPECT_LT(with.came_up_, without.came_up_ / 2) << "push-down did nothing";
  RecordProperty("with", std::to_string(with.came_up_));
  RecordProperty("without", std::to_string(without.came_up_));
}

}  // namespace
}  // namespace cairn::capture
