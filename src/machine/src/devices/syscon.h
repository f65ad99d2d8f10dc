#pragma once

#include <cstdint>
#include <functional>

#include "memory/bus.h"

namespace mutirao::machine {

/// One register by which a guest ends its machine: "sifive,test1" as QEMU's `virt` has it.
class Syscon final : public Device {
 public:
  static constexpr std::uint64_t kSize = 0x1000;
  static constexpr std::uint32_t kPowerOff = 0x5555, kReset = 0x7777, kFail = 0x3333;

  enum class Request : std::uint8_t { power_off, reset };
  /// `request` gets what the guest wants, with its exit code.
  explicit Syscon(std::function<void(Request, unsigned code)> request)
      : request_{std::move(request)} {}

  [[nodiscard]] std::uint64_t read(std::uint64_t, unsigned) override { return 0; }
  void write(std::uint64_t offset, unsigned, std::uint64_t value) override {
    if (offset != 0) return;
    switch (value & 0xFFFF) {
      case kPowerOff:
        return request_(Request::power_off, 0);
      case kFail:
        return request_(Request::power_off, static_cast<unsigned>(value >> 16 & 0xFFFF));
      case kReset:
        return request_(Request::reset, 0);
      default:
        return;
    }
  }

 private:
  std::function<void(Request, unsigned code)> request_;
};

}  // namespace mutirao::machine
