// What this machine can do at most, measured now: the figures that others stand beside.
#ifndef CAIRN_TOOLS_SIMULATORS_LIMITS_H_
#define CAIRN_TOOLS_SIMULATORS_LIMITS_H_

#include <string>

namespace cairn::simulators {

struct RawLimits {
  double sha256_gb_s = 0;       // 16 KiB blocks, one core
  double aes_gcm_gb_s = 0;      // TLS's cipher, 16 KiB records, one core
  double fdatasync_p50_ms = 0;  // 4 KiB appended
  double fdatasync_p99_ms = 0;
  double ed25519_sign_us = 0;
  double ed25519_verify_us = 0;
};
RawLimits MeasureLimits(const std::string& dir);

}  // namespace cairn::simulators

#endif  // CAIRN_TOOLS_SIMULATORS_LIMITS_H_
