// A whole site for tests: authority, a host with a log, collectors on loopback.
#ifndef CAIRN_TESTS_SHIP_SITE_H_
#define CAIRN_TESTS_SHIP_SITE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/shipper/shipper.h"
#include "collector/core.h"
#include "collector/server.h"
#include "collector/session.h"
#include "ledger/ledger.h"
#include "tests/ledger/test_log.h"

namespace cairn::ship {

inline constexpr char kDeployment[] = "test.example";
inline constexpr char kUuid[] = "00000000-0000-4000-8000-000000000001";
inline constexpr char kOtherUuid[] = "00000000-0000-4000-8000-000000000002";

std::string Bytes(const wire::Frame& frame);

// A host's log, written by the real ledger with the real clocks.
class HostWriter {
 public:
  explicit HostWriter(std::string dir, std::string uuid = kUuid, uint8_t key_seed = 7);

  void Open();
  void Crash() { ledger_.reset(); }
  // Appends `count` records of file.open; the last one urgent if asked for.
  void Append(int count, bool urgent = false);
  // The same, wanted by the rule `rule`.
  void AppendFor(const std::string& rule, int count);
  void Sync();
  void Rotate();
  void Close();

  ledger::VerifierKey key() const;
  const std::string& dir() const { return dir_; }
  const std::string& origin() const { return origin_; }
  uint64_t size() const { return ledger_->stats().size; }

 private:
  void Write(int count, bool urgent, absl::Span<const std::string* const> rules);

  const std::string dir_;
  const std::string origin_;
  const uint8_t key_seed_;
  uint64_t written_ = 0;
  ledger::Subject subject_;
  std::unique_ptr<ledger::Ledger> ledger_;
};

// Files: DIR/collector (InitCollector), DIR/host (IssueHost), DIR/log.
class Site {
 public:
  Site();

  // An in-process collector on any port of 127.0.0.1.
  void StartCollector(std::function<void(collector::CoreOptions*)> change = nullptr,
                      std::function<void(collector::ServerOptions*)> change_server = nullptr);
  void StopCollector();
  shipper::ShipperOptions ShipperOptions() const;
  // Ships until all is receipted; false after `within`.
  bool ShipAll(absl::Duration within = absl::Seconds(20));
  bool ShipAll(shipper::ShipperOptions options, absl::Duration within = absl::Seconds(20));

  std::string path(const std::string& name) const { return dir_.path() + "/" + name; }
  std::string store() const;  // of the host's log
  TlsFiles HostTls() const;
  TlsFiles CollectorTls() const;
  ledger::VerifierKey CollectorKey() const;
  collector::Core* core() { return core_.get(); }
  int port() const { return server_->port(); }
  collector::Server* server() { return server_.get(); }
  // For sessions without a network: who the host's certificate names, and how it begins.
  collector::Peer HostPeer(const std::string& uuid = kUuid) const;
  wire::Frame Hello() const;
  std::string FirstSegment() const;
  // Every segment of the store is, byte for byte, a prefix of the host's; `whole`: the same.
  ::testing::AssertionResult StoreMatches(bool whole) const;
  ledger::Report VerifyStore() const;

 private:
  ledger::TempDir dir_;

 public:
  HostWriter host;

 private:
  std::unique_ptr<collector::Core> core_;
  std::unique_ptr<collector::Server> server_;
};

}  // namespace cairn::ship

#endif  // CAIRN_TESTS_SHIP_SITE_H_
