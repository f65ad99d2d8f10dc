#include "tracker/tracker_limit.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include "mutirao/base/check.h"

namespace mutirao::swarm {

SourceLimit::SourceLimit(Options options, SipKey key) : options_{options}, key_{key} {
  MUT_ASSERT(std::has_single_bit(options.rows));
  if (options.per_second > 0) rows_.resize(options.rows);
}

bool SourceLimit::allow(world::IpAddress const& source, TimePoint now) {
  if (rows_.empty()) return true;
  auto const bytes = source.is_v4() ? source.bytes() : source.bytes().first(8);
  auto const tag = siphash(key_, bytes) | 1;
  auto& row = rows_[(tag >> 32) & (rows_.size() - 1)];
  auto const now_ms = static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());

  auto const idle_ms = [&](Bucket const& bucket) {
    return now_ms - bucket.at_ms;
  };  // wraps after 49 days
  auto* bucket = std::ranges::find(row, tag, &Bucket::tag);
  if (bucket == row.end()) {
    bucket = std::ranges::find(row, 0u, &Bucket::tag);
    if (bucket == row.end()) bucket = std::ranges::max_element(row, {}, idle_ms);
    *bucket = {tag, static_cast<float>(options_.burst), now_ms};
  }
  auto const refill = static_cast<float>(idle_ms(*bucket) * options_.per_second / 1000);
  bucket->tokens = std::min(static_cast<float>(options_.burst), bucket->tokens + refill);
  bucket->at_ms = now_ms;
  if (bucket->tokens < 1) return false;
  bucket->tokens -= 1;
  return true;
}

}  // namespace mutirao::swarm
