#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/base/time.h"

namespace mutirao::threads {

/// Whether a queue keeps up with what is put into it.
///
/// To stamp each thread as it is queued would cost at every switch. Here the queue only counts what
/// is taken out, and whoever looks now and then marks the end of the queue: what was queued before
/// the mark has gone once so many were taken.
///
/// Pure: no clock, no lock. One looks.
class backlog {
 public:
  /// The oldest in the queue has certainly waited since then. `taken`: how many ever were; counts
  /// on from 2^32 - 1 to 0.
  [[nodiscard]] TimePoint waiting_since(std::uint32_t taken, std::size_t queued,
                                        TimePoint now) noexcept {
    if (queued == 0 || static_cast<std::int32_t>(taken - mark_) >= 0) {
      mark_ = taken + static_cast<std::uint32_t>(queued);
      marked_at_ = now;
    }
    return marked_at_;
  }

 private:
  std::uint32_t mark_ = 0;  ///< what `taken` will be when all that was queued then has gone
  TimePoint marked_at_{};
};

}  // namespace mutirao::threads
