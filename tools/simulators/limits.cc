#include "tools/simulators/limits.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/fd.h"
#include "ledger/key.h"

namespace cairn::simulators {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <typename Step>
double GigabytesPerSecond(size_t bytes, Step step) {
  const double start = Seconds();
  double done = 0;
  while (Seconds() - start < 0.2) {
    for (int i = 0; i < 100; ++i) step();
    done += 100.0 * static_cast<double>(bytes);
  }
  return done / (Seconds() - start) / 1e9;
}

template <typename Step>
double Microseconds(int times, Step step) {
  const double start = Seconds();
  for (int i = 0; i < times; ++i) step();
  return (Seconds() - start) / times * 1e6;
}

void MeasureDisk(const std::string& dir, RawLimits* limits) {
  const std::string path = dir + "/fdatasync";
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const std::string page(4096, 'x');
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const double start = Seconds();
    if (::write(fd.get(), page.data(), page.size()) < 0 || ::fdatasync(fd.get()) != 0) return;
    times.push_back((Seconds() - start) * 1e3);
  }
  ::unlink(path.c_str());
  std::sort(times.begin(), times.end());
  limits->fdatasync_p50_ms = times[times.size() / 2];
  limits->fdatasync_p99_ms = times[times.size() * 99 / 100];
}

}  // namespace

RawLimits MeasureLimits(const std::string& dir) {
  RawLimits limits;
  std::vector<unsigned char> data(16384, 'x');
  std::vector<unsigned char> out(16384 + 32);
  unsigned char hash[EVP_MAX_MD_SIZE];
  limits.sha256_gb_s = GigabytesPerSecond(data.size(), [&] {
    EVP_Digest(data.data(), data.size(), hash, nullptr, EVP_sha256(), nullptr);
  });
  EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
  const unsigned char key[32] = {1};
  const unsigned char nonce[12] = {2};
  limits.aes_gcm_gb_s = GigabytesPerSecond(data.size(), [&] {
    int n = 0;
    EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), nullptr, key, nonce);
    EVP_EncryptUpdate(cipher, out.data(), &n, data.data(), static_cast<int>(data.size()));
    EVP_EncryptFinal_ex(cipher, out.data() + n, &n);
  });
  EVP_CIPHER_CTX_free(cipher);
  const ledger::SigningKey signer = ledger::SigningKey::Generate();
  const std::string signature = signer.Sign("message");
  limits.ed25519_sign_us = Microseconds(500, [&] { signer.Sign("message"); });
  limits.ed25519_verify_us = Microseconds(
      500, [&] { ledger::VerifySignature(signer.public_key(), "message", signature); });
  MeasureDisk(dir, &limits);
  return limits;
}

}  // namespace cairn::simulators
