// One simulated host: a real log, a real uplink, driven by whoever owns its event loop.
#ifndef CAIRN_TOOLS_SIMULATORS_VIRTUAL_HOST_H_
#define CAIRN_TOOLS_SIMULATORS_VIRTUAL_HOST_H_

#include <cstdint>
#include <memory>
#include <string>

#include "agent/shipper/exposure.h"
#include "agent/shipper/receipts.h"
#include "agent/shipper/source.h"
#include "agent/shipper/uplink.h"
#include "base/certificate.h"
#include "base/tls.h"
#include "ledger/ledger.h"

namespace cairn::simulators {

// One thread.
class VirtualHost {
 public:
  VirtualHost(const std::string& dir, std::string deployment, int number);

  // Writes certificate and key, opens the log.
  absl::Status Prepare(const CertificateAuthority& authority, const std::string& ca_path);
  absl::Status Connect(int port);

  void Append(int records, bool urgent);
  absl::Status CloseLog() { return ledger_->Close("stop"); }
  absl::Status Sync() { return ledger_->Sync(); }
  // Lets the ledger do what is due, when something is, and ships what it published.
  absl::Status Tick(uint64_t now_ns);
  // The socket is ready, or there may be something to send.
  absl::Status Exchange();

  // What is measured counts from now on.
  void ClearTimes() {
    exposure_.Clear();
    receipt_times_ = {};
    before_ = written_;
  }
  uint64_t measured() const { return written_ - before_; }

  int fd() const { return tls_->fd(); }
  bool welcomed() const { return uplink_ != nullptr && uplink_->welcomed(); }
  bool want_write() const { return want_write_; }
  // All that the log holds, not only what it has published.
  bool all_receipted() const;
  uint64_t written() const { return written_; }
  uint64_t bytes() const { return ledger_->stats().stored_bytes; }
  uint64_t size() const { return ledger_->stats().size; }
  uint64_t checkpointed() const { return ledger_->stats().checkpoint_size; }
  const shipper::Exposure& exposure() const { return exposure_; }
  const shipper::Histogram& receipt_times() const { return receipt_times_; }

 private:
  absl::Status Send();

  const std::string dir_;
  const std::string uuid_;
  const std::string deployment_;
  uint64_t written_ = 0;
  uint64_t before_ = 0;
  ledger::Subject subject_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<shipper::LogSource> source_;
  shipper::ReceiptBook receipts_;
  shipper::Exposure exposure_;
  shipper::Histogram receipt_times_;  // from a checkpoint's publication to its receipt
  std::unique_ptr<shipper::Uplink> uplink_;
  TlsFiles tls_files_;
  std::unique_ptr<TlsConnection> tls_;
  bool shaken_ = false;
  bool want_write_ = false;
  std::string out_;
  size_t out_used_ = 0;
  uint64_t due_ns_ = 0;     // when the ledger wants its next Tick
  uint64_t published_ = 0;  // checkpoint size that is being shipped
  uint64_t published_ns_ = 0;
  uint64_t timed_ = 0;  // the size that receipt_times_ saw last
};

}  // namespace cairn::simulators

#endif  // CAIRN_TOOLS_SIMULATORS_VIRTUAL_HOST_H_
