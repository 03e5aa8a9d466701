#include "tests/ledger/test_log.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "ledger/frame.h"
#include "ledger/hpke.h"

namespace cairn::ledger {
namespace {

const std::string& Rule() {
  static const std::string* rule = new std::string("test-rule");
  return *rule;
}

}  // namespace

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  path_ = absl::StrCat(base != nullptr ? base : "/tmp", "/cairn-test-XXXXXX");
  if (::mkdtemp(path_.data()) == nullptr) std::abort();
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestLog::TestLog(Io* with_io) : io(with_io) {}

LedgerOptions TestLog::options() {
  LedgerOptions options;
  options.dir = dir.path();
  options.origin = kTestOrigin;
  options.environment = "production";
  options.boot_id = "00000000-0000-4000-8000-00000000b007";
  options.binary_digest = std::string(32, 'b');
  options.limits = limits;
  if (auditor_ != nullptr) options.recipients = {X25519PublicKey(*auditor_)};
  options.io = io;
  options.boot_time_ns = [clock = clock_ns] { return *clock; };
  options.wall_time_ns = [clock = clock_ns] { return *clock + 1'700'000'000'000'000'000; };
  return options;
}

SigningKey TestLog::key() const {
  const uint8_t seed[32] = {7, 7, 7};
  return SigningKey::FromSeed(Secret32(seed));
}

VerifierKey TestLog::verifier_key() const {
  VerifierKey vkey;
  vkey.name = kTestOrigin;
  vkey.public_key = key().public_key();
  return vkey;
}

absl::Status TestLog::Open() {
  ledger.reset();
  auto opened = Ledger::Open(options(), key());
  if (!opened.ok()) return opened.status();
  ledger = *std::move(opened);
  for (auto& subject : subjects_) subject.reset();
  return absl::OkStatus();
}

absl::Status TestLog::Append(const std::string& path, uint32_t pid, bool urgent) {
  std::unique_ptr<Subject>& subject = subjects_[pid % 8];
  if (subject == nullptr) {
    subject = std::make_unique<Subject>();
    subject->process.set_pid(pid);
    subject->process.set_start_ns(pid * 1000);
    subject->process.set_exe("/usr/bin/test");
    subject->process.set_ppid(1);
    subject->process.add_argv("test");
    subject->process.add_argv(absl::StrCat("--pid=", pid));
  }
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  record.mutable_file()->set_path(path);
  const std::string* rules[] = {&Rule()};
  Entry entry;
  entry.time_ns = ++*clock_ns;
  entry.record = &record;
  entry.subject = subject.get();
  entry.rules = rules;
  entry.urgent = urgent;
  return ledger->Append(entry);
}

void TestLog::Advance(absl::Duration by) {
  *clock_ns += static_cast<uint64_t>(absl::ToInt64Nanoseconds(by));
  for (int i = 0; i < 20'000; ++i) {  // a commit on a busy disk may take seconds
    const bool more = ledger->Tick() <= absl::ZeroDuration();
    if (!more && !ledger->stats().committing) return;
    ::usleep(100);
  }
}

Report TestLog::Verify() {
  VerifyOptions verify;
  verify.key = verifier_key();
  verify.recipient_key = auditor_.get();
  return VerifyLog(dir.path(), verify);
}

std::string TestLog::SegmentPath(uint64_t epoch) const {
  return absl::StrCat(dir.path(), "/", SegmentName(epoch));
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteAllTo(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

void CopyLog(const std::string& from, const std::string& to) {
  std::filesystem::copy(
      from, to,
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
}

namespace {

std::vector<Hash> Roots(const std::vector<Hash>& leaves, const std::vector<LeafRange>& ranges) {
  std::vector<Hash> roots;
  for (const LeafRange& range : ranges) {
    roots.push_back(
        RangeRoot(absl::MakeConstSpan(leaves).subspan(range.begin, range.end - range.begin)));
  }
  return roots;
}

}  // namespace

std::vector<Hash> InclusionProof(const std::vector<Hash>& leaves, uint64_t index) {
  return Roots(leaves, InclusionRanges(index, leaves.size()));
}

std::vector<Hash> ConsistencyProof(const std::vector<Hash>& leaves, uint64_t old_size) {
  return Roots(leaves, ConsistencyRanges(old_size, leaves.size()));
}

}  // namespace cairn::ledger
