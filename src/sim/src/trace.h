#pragma once

#include <cstdint>

#include "mutirao/base/bytes.h"
#include "mutirao/base/time.h"
#include "mutirao/sim/recording.h"

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
  denied,   // by a router
  moved,    // to other addresses
  fault,    // one by name; its hash is the detail
  content,  // of what was sent or written: in recordings only
};

/// When virtual time begins (see simulation.h of threads).
inline constexpr Duration kSimulationStart = std::chrono::hours{1000};

/// The rolling hash of everything that a run did: two runs that differ in one event differ here.
class Trace {
 public:
  explicit Trace(Recording* recording) noexcept : recording_{recording} {}

  void note(TimePoint when, TraceEvent event, std::uint32_t host,
            std::uint64_t detail = 0) noexcept {
    auto const head = static_cast<std::uint64_t>(when.time_since_epoch().count()) ^
                      (std::uint64_t{host} << 40) ^ (static_cast<std::uint64_t>(event) << 56);
    hash_ = mix(hash_ ^ head) + mix(detail + ++events_);
    if (recording_ != nullptr && recording_->wants(events_)) record(when, event, host, detail);
  }
  /// What is sent or written; costs nothing without a recording.
  void note_content(TimePoint when, std::uint32_t host, ByteView content) {
    if (recording_ != nullptr && recording_->has_content())
      record(when, TraceEvent::content, host, hash_of(content));
  }
  void name_host(std::uint32_t host, std::string const& name) {
    if (recording_ != nullptr) recording_->name_host(host, name);
  }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

 private:
  void record(TimePoint when, TraceEvent event, std::uint32_t host, std::uint64_t detail) {
    recording_->note({.when_ns = when.time_since_epoch().count(),
                      .detail = detail,
                      .host = host,
                      .kind = static_cast<std::uint32_t>(event)});
  }

  Recording* recording_;
  std::uint64_t hash_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace mutirao::sim
