#include "tests/capture/event_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "policy/schema.h"
#include "proto/names.h"
#include "tests/paths.h"

namespace cairn::capture {
namespace {

policy::Wanted Everything() {
  policy::Wanted wanted;
  wanted.types.set();
  return wanted;
}

class Kernel {
 public:
  static Capture* Get(std::string* why) {
    static Kernel* kernel = new Kernel;
    *why = kernel->why_;
    return kernel->capture_.get();
  }

 private:
  Kernel() {
    if (geteuid() != 0) {
      why_ = "needs root to load BPF programs";
      return;
    }
    CaptureOptions options;
    options.audit = AuditMode::kOff;
    options.env = {Events::kEnv};
    options.ring_bytes = 8 << 20;  // others on this machine act too
    auto started = Capture::Start(options);
    if (!started.ok()) {
      why_ = std::string(started.status().message());
    } else if ((*started)->backend() == "audit-only") {
      why_ = (*started)->backend_reason();
    } else {
      capture_ = *std::move(started);
      printf("backend %s: %s\n", capture_->backend().c_str(), capture_->backend_reason().c_str());
    }
  }
  std::unique_ptr<Capture> capture_;
  std::string why_;
};

}  // namespace

void Events::WantAll() {
  std::string why;
  Capture* capture = Kernel::Get(&why);
  if (capture != nullptr) {
    ASSERT_TRUE(capture->SetWanted(Everything()).ok());
  }
}

void Events::TearDownTestSuite() {
  std::string why;
  Capture* capture = Kernel::Get(&why);
  if (capture != nullptr) {
    EXPECT_TRUE(capture->SetWanted({}).ok());
  }
}

void Events::SetUp() {
  std::string why;
  capture_ = Kernel::Get(&why);
  if (capture_ == nullptr) GTEST_SKIP() << "NOT TESTED: no kernel events: " << why;
  char name[] = "/tmp/cairn-events-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  dir_ = name;
  chmod(name, 0777);
  mkdir((dir_ + "/dir").c_str(), 0777);
  mkdir((dir_ + "/empty").c_str(), 0777);
  for (const char* file : {"/old", "/dir/inner"}) {
    close(open((dir_ + file).c_str(), O_CREAT | O_WRONLY, 0666));
  }
  (void)!symlink("old", (dir_ + "/link").c_str());
}

void Events::TearDown() {
  if (!dir_.empty()) (void)!system(absl::StrCat("rm -rf ", dir_).c_str());
}

Said Events::Do(const std::string& act) {
  Drain(nullptr);
  seen_.clear();
  const char* elsewhere = getenv("CAIRN_ACTS");  // in a virtual machine
  const std::string acts = elsewhere != nullptr ? elsewhere : ProgramPath("capture_acts");
  FILE* out = popen(absl::StrCat("cd ", dir_, " && exec ", acts, " ", act).c_str(), "r");
  Said said;
  EXPECT_EQ(fscanf(out, "{\"pid\":%u,\"ret\":%ld}", &said.pid, &said.ret), 2) << act;
  pclose(out);
  // Its end is the last thing that a process does.
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  size_t looked = 0;
  for (bool ended = false; !ended && absl::Now() < deadline;) {
    Drain(&seen_);
    for (; looked < seen_.size(); ++looked) {
      ended |=
          seen_[looked].record.type() == PROCESS_EXIT && seen_[looked].process.pid() == said.pid;
    }
    usleep(2000);
  }
  Drain(&seen_);
  return said;
}

void Events::Drain(std::vector<Seen>* to) {
  capture_->Drain([&](const Captured& captured) {
    EXPECT_EQ(policy::SchemaFault(*captured.record), nullptr)
        << "would be quarantined: " << captured.record->ShortDebugString();
    if (to == nullptr) return;
    Seen seen;
    seen.record = *captured.record;
    if (captured.subject != nullptr) {
      seen.process = captured.subject->process;
      seen.has_process = true;
    }
    to->push_back(std::move(seen));
  });
  capture_->Settle();
}

const Seen* Events::One(EventType type, uint32_t pid,
                        const std::function<bool(const Record&)>& fits) {
  const Seen* found = nullptr;
  int count = 0;
  for (const Seen& seen : seen_) {
    if (seen.record.type() != type || seen.process.pid() != pid) continue;
    if (fits && !fits(seen.record)) continue;
    found = &seen;
    ++count;
  }
  EXPECT_EQ(count, 1) << EventName(type) << " by " << pid << "\n" << All(pid);
  return count == 1 ? found : nullptr;
}

std::string Events::All(uint32_t pid) const {
  std::string text;
  for (const Seen& seen : seen_) {
    if (seen.process.pid() == pid || seen.record.has_loss()) {
      absl::StrAppend(&text, seen.record.ShortDebugString(), "\n");
    }
  }
  return text;
}

}  // namespace cairn::capture
