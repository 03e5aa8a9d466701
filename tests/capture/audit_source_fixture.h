// The audit source on this machine's kernel, and what others may do to audit's settings and rules.
#ifndef CAIRN_TESTS_CAPTURE_AUDIT_SOURCE_FIXTURE_H_
#define CAIRN_TESTS_CAPTURE_AUDIT_SOURCE_FIXTURE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/capture/audit_source.h"
#include "gtest/gtest.h"
#include "tests/capture/kernel_audit.h"

namespace cairn::capture {

struct Seen {
  Record record;
  Process process;
  uint64_t time_ns;
};

class AuditSourceTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void Open(AuditMode mode, int socket_bytes = 8 << 20);
  void Pump();

  // Pumps until a record fits; null after `patience`. Lives until the next Pump.
  const Seen* Await(const std::function<bool(const Seen&)>& fits,
                    absl::Duration patience = absl::Seconds(10));

  void Say(int type, const char* message, int result = 1);

  // Ends the source: every setting is as it was before the test.
  void ExpectRestored();

  KernelAudit audit_;
  std::unique_ptr<AuditSource> source_;
  std::vector<Seen> seen_;
};

// Whether it owns the socket or listens beside others.
class BothModes : public AuditSourceTest, public ::testing::WithParamInterface<AuditMode> {};

// "Unicast", "Multicast": the parameter in a test's name.
std::string ModeName(const ::testing::TestParamInfo<AuditMode>& mode);

// Adds or deletes "-a always,exit -F arch=b64 -S CALL -k cairn-test". Negative: an errno.
int ChangeRule(const char* call, bool add);

// What `act` does in a child process; its exit code.
int InChild(const std::function<int()>& act, pid_t* pid = nullptr);

}  // namespace cairn::capture

#endif  // CAIRN_TESTS_CAPTURE_AUDIT_SOURCE_FIXTURE_H_
