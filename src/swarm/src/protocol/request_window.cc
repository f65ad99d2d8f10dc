#include "protocol/request_window.h"

#include <algorithm>

#include "mutirao/swarm/ids.h"

namespace mutirao::swarm {

namespace {

constexpr double kRoundMin_s = 0.02;
// Blocks come in bursts: a queue of that much time is kept on top, so that one wake-up of ours
// finds several of them.
constexpr double kSlack_s = 0.02;
constexpr double kHastySlack_s = 0.002;
// With a deadline open nobody queues more than that, whatever the round trip.
constexpr double kHastyQueueMax_s = 0.05;

double seconds(Duration duration) noexcept {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void RequestWindow::delivered(std::uint32_t bytes, TimePoint asked_at, TimePoint now,
                              bool limited) noexcept {
  auto const took = std::max(seconds(now - asked_at), 1e-6);
  latency_s_ = latency_s_ == 0 ? took : std::min(latency_s_, took);
  if (round_since_ == TimePoint{}) round_since_ = asked_at;
  round_bytes_ += bytes;
  round_limited_ = round_limited_ || limited;
  auto const elapsed = seconds(now - round_since_);
  if (elapsed < std::max(kRoundMin_s, latency_s_)) return;
  auto const measured = static_cast<double>(round_bytes_) / elapsed;
  // A round in which we asked for too little can only show that the way is better than we thought.
  if (!round_limited_ || measured > rate_) {
    rounds_[round_ % kRounds] = measured;
    ++round_;
    rate_ = *std::ranges::max_element(rounds_);
  }
  round_bytes_ = 0;
  round_limited_ = false;
  round_since_ = now;
}

void RequestWindow::reset() noexcept { *this = RequestWindow{}; }

std::uint32_t RequestWindow::blocks(bool hasty, std::uint32_t peer_max) const noexcept {
  auto queue_s = 2 * latency_s_ + (hasty ? kHastySlack_s : kSlack_s);
  if (hasty) queue_s = std::min(queue_s, std::max(kHastyQueueMax_s, latency_s_));
  auto const wanted = rate_ * queue_s / kBlockBytes;
  auto const capped = static_cast<std::uint32_t>(std::min<double>(wanted, kBlocksMax));
  return std::clamp<std::uint32_t>(capped, kBlocksMin,
                                   std::max(kBlocksMin, std::min(peer_max, kBlocksMax)));
}

}  // namespace mutirao::swarm
