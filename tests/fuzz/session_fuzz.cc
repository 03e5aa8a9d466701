// A hostile host with a good certificate against one session of the collector.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/log.h"
#include "collector/session.h"
#include "tests/ledger/test_log.h"

namespace {

constexpr char kUri[] = "cairn://test.example/h/00000000-0000-4000-8000-000000000001";

cairn::collector::Core* MakeCore(const std::string& dir) {
  using namespace cairn;
  SetLogLevel(static_cast<LogLevel>(0));
  collector::CoreOptions options{.deployment = "test.example",
                                 .store = dir + "/store",
                                 .hosts_dir = dir + "/hosts",
                                 .trust_on_first_use = true,
                                 .background = false};
  auto core = collector::Core::Create(std::move(options), std::make_unique<collector::Cosigner>(
                                                              "c", ledger::SigningKey::Generate()));
  return core.ok() ? core->release() : nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const cairn::ledger::TempDir dir;
  static cairn::collector::Core* core = MakeCore(dir.path());
  cairn::collector::Session session(core, {.address = "fuzz", .uris = {kUri}});
  std::string out;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (session.OnBytes(bytes.substr(0, size / 2), &out) &&
      session.OnBytes(bytes.substr(size / 2), &out)) {
    session.Commit(&out);
    session.OnTick(&out);
  }
  return 0;
}
