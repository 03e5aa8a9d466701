#include "tools/simulators/virtual_host.h"

#include <poll.h>
#include <time.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/socket.h"
#include "base/status.h"

namespace cairn::simulators {

VirtualHost::VirtualHost(const std::string& dir, std::string deployment, int number)
    : dir_(absl::StrCat(dir, "/", number)),
      uuid_(absl::StrFormat("00000000-0000-4000-8000-%012x", number)),
      deployment_(std::move(deployment)),
      receipts_(dir_ + "/log/receipts") {
  subject_.process.set_pid(4242);
  subject_.process.set_start_ns(1);
  subject_.process.set_exe("/usr/bin/virtual");
}

absl::Status VirtualHost::Prepare(const CertificateAuthority& authority,
                                  const std::string& ca_path) {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), dir_ + "/log", 0750));
  ASSIGN_OR_RETURN(
      const CertificateAndKey pair,
      authority.Issue(
          {.common_name = uuid_, .uris = {absl::StrCat("cairn://", deployment_, "/h/", uuid_)}}));
  std::ofstream(dir_ + "/host.crt") << pair.certificate_pem;
  std::ofstream(dir_ + "/host.key") << pair.key_pem;
  tls_files_ = {dir_ + "/host.crt", dir_ + "/host.key", ca_path, ""};
  ledger::LedgerOptions options;
  options.dir = dir_ + "/log";
  options.origin = absl::StrCat(deployment_, "/h/", uuid_, "/1");
  options.environment = "production";
  options.boot_id = "00000000-0000-4000-8000-00000000b007";
  options.binary_digest = std::string(32, 'b');
  options.limits.checkpoint_age = absl::Milliseconds(250);  // as agent.yaml has it
  ASSIGN_OR_RETURN(ledger_, ledger::Ledger::Open(options, ledger::SigningKey::Generate()));
  return absl::OkStatus();
}

absl::Status VirtualHost::Connect(int port) {
  ASSIGN_OR_RETURN(shipper::LogSource source, shipper::LogSource::Open(dir_ + "/log"));
  source_ = std::make_unique<shipper::LogSource>(std::move(source));
  RETURN_IF_ERROR(receipts_.Open());
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> context, TlsContext::Client(tls_files_));
  ASSIGN_OR_RETURN(Fd socket, StartConnect({"127.0.0.1", absl::StrCat(port)}));
  pollfd ready{socket.get(), POLLOUT, 0};
  ::poll(&ready, 1, 5000);
  RETURN_IF_ERROR(FinishConnect(socket.get()));
  ASSIGN_OR_RETURN(tls_, TlsConnection::Connect(context, std::move(socket), "127.0.0.1", ""));
  uplink_ = std::make_unique<shipper::Uplink>(shipper::UplinkOptions{.boot_time_ns = BootNs},
                                              source_.get(), &receipts_, &exposure_);
  RETURN_IF_ERROR(source_->Refresh());
  published_ = source_->size();
  published_ns_ = BootNs();
  return uplink_->Start(&out_);
}

void VirtualHost::Append(int records, bool urgent) {
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  for (int i = 0; i < records; ++i) {
    // Half of a name does not compress, as in life.
    ++written_;
    record.mutable_file()->set_path(
        absl::StrCat("/srv/data/", absl::Hex(written_ * 0x9e3779b97f4a7c15u), "-", written_));
    const ledger::Entry entry{.time_ns = BootNs(),
                              .record = &record,
                              .subject = &subject_,
                              .urgent = urgent && i + 1 == records};
    if (!ledger_->Append(entry).ok()) --written_;
    if (i % 500 == 499) ledger_->Tick();
  }
  ledger_->Flush();
  ledger_->Tick();
  due_ns_ = 0;
}

absl::Status VirtualHost::Tick(uint64_t now_ns) {
  if (now_ns < due_ns_) return absl::OkStatus();
  due_ns_ = now_ns + static_cast<uint64_t>(absl::ToInt64Nanoseconds(ledger_->Tick()));
  if (ledger_->stats().checkpoint_size > published_ || uplink_->cursor() != source_->limit()) {
    RETURN_IF_ERROR(source_->Refresh());
    if (source_->size() > published_) {
      published_ = source_->size();
      published_ns_ = BootNs();
    }
    return Exchange();
  }
  return absl::OkStatus();
}

absl::Status VirtualHost::Exchange() {
  want_write_ = false;
  if (!shaken_) {
    ASSIGN_OR_RETURN(const TlsWant want, tls_->Handshake());
    want_write_ = want == TlsWant::kWrite;
    shaken_ = want == TlsWant::kNothing;
    if (!shaken_) return absl::OkStatus();
  }
  char buffer[16 << 10];
  for (;;) {
    ASSIGN_OR_RETURN(const TlsIo io, tls_->Read(buffer, sizeof buffer));
    if (io.want == TlsWant::kClosed) return absl::UnavailableError("closed by the collector");
    if (io.bytes == 0) break;
    RETURN_IF_ERROR(uplink_->OnBytes({buffer, io.bytes}, &out_));
  }
  if (uplink_->receipted() >= published_ && timed_ < published_ && uplink_->receipted() > 0) {
    timed_ = published_;
    receipt_times_.Add(static_cast<double>(BootNs() - published_ns_) / 1e6, 1);
  }
  return Send();
}

absl::Status VirtualHost::Send() {
  for (int i = 0; i < 4; ++i) {
    uint64_t taken = 0;
    if (out_.empty()) RETURN_IF_ERROR(uplink_->Fill(256 << 10, &out_, &taken));
    if (out_.empty()) return absl::OkStatus();
    while (out_used_ < out_.size()) {
      ASSIGN_OR_RETURN(const TlsIo io, tls_->Write(absl::string_view(out_).substr(out_used_)));
      if (io.want == TlsWant::kClosed) return absl::UnavailableError("closed by the collector");
      if (io.bytes == 0) {
        want_write_ = true;
        return absl::OkStatus();
      }
      out_used_ += io.bytes;
    }
    out_.clear();
    out_used_ = 0;
  }
  want_write_ = true;  // more to send; let others have a turn
  return absl::OkStatus();
}

bool VirtualHost::all_receipted() const {
  return uplink_ != nullptr && uplink_->receipted() == ledger_->stats().size;
}

}  // namespace cairn::simulators
