#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>

#include "mutirao/threads/mutex.h"

#include "devices/plic.h"
#include "memory/bus.h"

namespace mutirao::machine {

/// A serial port: a 16550A whose line is infinitely fast (National PC16550D, 1995).
///
/// What the guest sends is out at once. What is typed waits here, a megabyte at most, until the
/// guest reads it.
class Uart final : public Device {
 public:
  static constexpr std::uint64_t kSize = 0x100;
  static constexpr std::size_t kInputMax = 1 << 20;

  /// `output` gets each byte as the guest sends it.
  Uart(std::function<void(std::uint8_t)> output, InterruptWire wire)
      : output_{std::move(output)}, wire_{wire} {}

  /// Gives how much there was room for.
  std::size_t type(std::string_view bytes);
  /// A break, and a byte behind it. Unless there is one that the guest has not seen yet.
  void send_break(std::uint8_t byte);

  [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  [[nodiscard]] std::uint8_t interrupt_identity() const noexcept;
  [[nodiscard]] std::uint8_t modem_status() const noexcept;
  [[nodiscard]] bool at_break() const noexcept { return bytes_before_break_ == 0u; }
  void send(std::uint8_t byte);
  void update();

  std::function<void(std::uint8_t)> output_;
  InterruptWire wire_;
  threads::mutex mutex_;  // of all below
  std::deque<std::uint8_t> input_;
  std::optional<std::size_t> bytes_before_break_;  // of the input; a break is a zero in it
  std::uint8_t interrupt_enable_ = 0;
  std::uint8_t fifo_control_ = 0;
  std::uint8_t line_control_ = 0;
  std::uint8_t modem_control_ = 0;
  std::uint8_t scratch_ = 0;
  std::uint16_t divisor_ = 0;
  bool empty_to_tell_ = false;  // the transmitter became empty, and nobody looked yet
};

}  // namespace mutirao::machine
