#pragma once

#include <cstdint>
#include <functional>

#include "mutirao/threads/mutex.h"

#include "devices/plic.h"
#include "memory/bus.h"

namespace mutirao::machine {

/// The time of day, in nanoseconds since 1970, and one alarm: the "goldfish" clock of Android's
/// emulator (its documentation, GOLDFISH-VIRTUAL-HARDWARE.TXT, chapter VII).
class Rtc final : public Device {
 public:
  static constexpr std::uint64_t kSize = 0x1000;

  /// `civil_ns` gives the time; called from where the harts run.
  Rtc(std::function<std::uint64_t()> civil_ns, InterruptWire wire)
      : civil_ns_{std::move(civil_ns)}, wire_{wire} {}

  /// Raises the alarm when it is due. Called when time may have passed.
  void look_at_time();

  [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  [[nodiscard]] std::uint64_t now() const { return civil_ns_() + set_by_; }
  void update() { wire_.set(fired_ && enabled_); }

  void fire_if_due();

  std::function<std::uint64_t()> civil_ns_;
  InterruptWire wire_;
  threads::mutex mutex_;      // of all below
  std::uint64_t set_by_ = 0;  // what the guest's clock is ahead, modulo 2^64
  std::uint64_t latched_ = 0;
  std::uint64_t alarm_ = 0;
  std::uint32_t high_ = 0;  // the half that is written first
  bool armed_ = false;
  bool fired_ = false;
  bool enabled_ = false;
};

}  // namespace mutirao::machine
