#pragma once

#include <cstdint>

#include "mutirao/base/time.h"

#include "random.h"

namespace mutirao::sim {

enum class TraceEvent : std::uint8_t {
  connected,
  accepted,
  refused,
  delivered,
  ended,
  reset,
  silent,  // given up after too long a silence
  datagram,
  opened,
  read,
  wrote,
  synced,
  resized,
  renamed,
  removed,
  listed,
  crashed,
  restarted,
  denied,  // by a router
  moved,   // to other addresses
  fault,   // one by name; its hash is the detail
};

/// The rolling hash of everything that a run did: two runs that differ in one event differ here.
class Trace {
 public:
  void note(TimePoint when, TraceEvent event, std::uint32_t host,
            std::uint64_t detail = 0) noexcept {
    auto const head = static_cast<std::uint64_t>(when.time_since_epoch().count()) ^
                      (std::uint64_t{host} << 40) ^ (static_cast<std::uint64_t>(event) << 56);
    hash_ = mix(hash_ ^ head) + mix(detail + ++events_);
  }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

 private:
  std::uint64_t hash_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace mutirao::sim
