#include "protocol/request_window.h"

#include <deque>

#include <gtest/gtest.h>

#include "mutirao/swarm/ids.h"

namespace mutirao::swarm {
namespace {

/// A way with a rate and a round trip: blocks come back in order, as fast as it carries them.
RequestWindow after(double seconds, double bytes_per_s, double round_trip_s, bool hasty = false) {
  RequestWindow window;
  auto now = 0.0;
  auto free_at = 0.0;
  std::deque<std::pair<double, double>> out;  // asked at, comes at
  while (now < seconds) {
    while (out.size() < window.blocks(hasty, 2000)) {
      free_at = std::max(free_at, now + round_trip_s / 2) + kBlockBytes / bytes_per_s;
      out.emplace_back(now, free_at + round_trip_s / 2);
    }
    auto const [asked, came] = out.front();
    out.pop_front();
    now = std::max(now, came);
    auto const at = [](double s) {
      return TimePoint{std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s + 1))};
    };
    window.delivered(kBlockBytes, at(asked), at(now), false);
  }
  return window;
}

TEST(RequestWindow, grows_to_about_twice_the_bandwidth_delay_product) {
  // 100 MB/s and 100 ms: 610 blocks.
  auto const blocks = after(10, 100e6, 0.1).blocks(false, 2000);
  EXPECT_GE(blocks, 610u);
  EXPECT_LE(blocks, 2000u);
}

TEST(RequestWindow, stays_small_on_a_short_slow_way) {
  EXPECT_LE(after(10, 1e6, 0.01).blocks(false, 2000), 8u);
}

TEST(RequestWindow, is_short_while_somebody_waits_for_a_block) {
  auto const window = after(10, 100e6, 0.005);
  // No more than 50 ms of queue.
  EXPECT_LE(window.blocks(true, 2000) * kBlockBytes / 100e6, 0.05);
  EXPECT_LT(window.blocks(true, 2000), window.blocks(false, 2000));
}

TEST(RequestWindow, respects_the_limit_of_the_peer) {
  EXPECT_EQ(after(10, 100e6, 0.1).blocks(false, 50), 50u);
}

TEST(RequestWindow, measures_the_rate_of_the_way) {
  auto const rate = after(10, 10e6, 0.05).bytes_per_s();
  EXPECT_GT(rate, 8e6);
  EXPECT_LT(rate, 13e6);
}

TEST(RequestWindow, forgets_all_when_reset) {
  auto window = after(10, 100e6, 0.1);
  window.reset();
  EXPECT_EQ(window.blocks(false, 2000), RequestWindow::kBlocksMin);
}

}  // namespace
}  // namespace mutirao::swarm
