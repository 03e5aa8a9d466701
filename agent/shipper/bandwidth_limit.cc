#include "agent/shipper/bandwidth_limit.h"

#include <algorithm>

#include "base/status.h"

namespace cairn::shipper {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr int kPieces = 4;

}  // namespace

absl::Status BandwidthLimit::Look(const Cursor& shipped) {
  looked_ = std::max(looked_, shipped);
  RETURN_IF_ERROR(ahead_.Refresh());
  for (int i = 0; i < kPieces; ++i) {
    ASSIGN_OR_RETURN(const Piece piece, ahead_.Read(&looked_, kPieceBytes));
    if (piece.bytes.empty()) return absl::OkStatus();
    if (piece.urgent) urgent_ = looked_;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> BandwidthLimit::MaySend(absl::Time now, const Cursor& shipped) {
  const absl::Duration since = std::max(now - std::exchange(filled_, now), absl::ZeroDuration());
  left_ = std::min(rate_, left_ + rate_ * absl::ToDoubleSeconds(since));
  RETURN_IF_ERROR(Look(shipped));
  lifted_ = urgent_.has_value() && shipped < *urgent_;
  return lifted_ || !spent();
}

void BandwidthLimit::Sent(uint64_t bytes) {
  if (!lifted_) left_ -= static_cast<double>(bytes);
}

}  // namespace cairn::shipper
