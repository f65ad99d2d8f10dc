#include "devices/rtc.h"

#include <mutex>

namespace mutirao::machine {
namespace {

enum RtcRegister : std::uint64_t {
  kTimeLow = 0x00,
  kTimeHigh = 0x04,
  kAlarmLow = 0x08,
  kAlarmHigh = 0x0C,
  kIrqEnabled = 0x10,
  kClearAlarm = 0x14,
  kAlarmStatus = 0x18,
  kClearInterrupt = 0x1C,
};

}  // namespace

void Rtc::look_at_time() {
  std::lock_guard const lock{mutex_};
  fire_if_due();
}

void Rtc::fire_if_due() {
  if (!armed_ || now() < alarm_) return;
  armed_ = false;
  fired_ = true;
  update();
}

std::uint64_t Rtc::read(std::uint64_t offset, unsigned) {
  std::lock_guard const lock{mutex_};
  switch (offset) {
    case kTimeLow:  // read first: it keeps the other half from moving
      latched_ = now();
      return latched_ & 0xFFFFFFFF;
    case kTimeHigh:
      return latched_ >> 32;
    case kAlarmLow:
      return alarm_ & 0xFFFFFFFF;
    case kAlarmHigh:
      return alarm_ >> 32;
    case kIrqEnabled:
      return enabled_ ? 1 : 0;
    case kAlarmStatus:
      return armed_ ? 1 : 0;
    default:
      return 0;
  }
}

void Rtc::write(std::uint64_t offset, unsigned, std::uint64_t value) {
  auto const word = static_cast<std::uint32_t>(value);
  std::lock_guard const lock{mutex_};
  switch (offset) {
    case kTimeHigh:
    case kAlarmHigh:
      high_ = word;
      break;
    case kTimeLow:
      set_by_ = (std::uint64_t{high_} << 32 | word) - civil_ns_();
      break;
    case kAlarmLow:
      alarm_ = std::uint64_t{high_} << 32 | word;
      armed_ = true;
      fire_if_due();
      break;
    case kIrqEnabled:
      enabled_ = (word & 1) != 0;
      break;
    case kClearAlarm:
      armed_ = false;
      break;
    case kClearInterrupt:
      fired_ = false;
      break;
    default:
      break;
  }
  update();
}

}  // namespace mutirao::machine
