#include "devices/uart.h"

#include <algorithm>
#include <mutex>

namespace mutirao::machine {
namespace {

enum UartRegister : std::uint64_t {
  kData = 0,
  kInterruptEnable = 1,
  kIdentityOrFifo = 2,
  kLineControl = 3,
  kModemControl = 4,
  kLineStatus = 5,
  kModemStatus = 6,
  kScratch = 7,
};
constexpr std::uint8_t kDataReady = 1, kBreak = 0x10, kTransmitterEmpty = 0x60;
constexpr std::uint8_t kEnableReceived = 1, kEnableEmpty = 2;
constexpr std::uint8_t kNoInterrupt = 1, kIdentityEmpty = 2, kIdentityReceived = 4, kFifosOn = 0xC0;
constexpr std::uint8_t kDivisorAccess = 0x80, kLoopback = 0x10;

}  // namespace

std::size_t Uart::type(std::string_view bytes) {
  std::lock_guard const lock{mutex_};
  std::size_t const taken = std::min(bytes.size(), kInputMax - input_.size());
  input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  update();
  return taken;
}

void Uart::send_break(std::uint8_t byte) {
  std::lock_guard const lock{mutex_};
  if (bytes_before_break_ || input_.size() + 2 > kInputMax) return;
  bytes_before_break_ = input_.size();
  input_.push_back(0);
  input_.push_back(byte);
  update();
}

std::uint8_t Uart::interrupt_identity() const noexcept {
  std::uint8_t const fifos = (fifo_control_ & 1) != 0 ? kFifosOn : 0;
  if ((interrupt_enable_ & kEnableReceived) != 0 && !input_.empty())
    return fifos | kIdentityReceived;
  if ((interrupt_enable_ & kEnableEmpty) != 0 && empty_to_tell_) return fifos | kIdentityEmpty;
  return fifos | kNoInterrupt;
}

std::uint8_t Uart::modem_status() const noexcept {
  // Somebody is always there: carrier, data set ready, clear to send. In a loop, our own outputs.
  if ((modem_control_ & kLoopback) == 0) return 0xB0;
  return static_cast<std::uint8_t>((modem_control_ & 0x0C) << 4 | (modem_control_ & 2) << 3 |
                                   (modem_control_ & 1) << 5);
}

void Uart::send(std::uint8_t byte) {
  if ((modem_control_ & kLoopback) != 0) {
    if (input_.size() < kInputMax) input_.push_back(byte);
  } else {
    output_(byte);
  }
  empty_to_tell_ = true;
}

void Uart::update() { wire_.set((interrupt_identity() & kNoInterrupt) == 0); }

std::uint64_t Uart::read(std::uint64_t offset, unsigned) {
  std::lock_guard const lock{mutex_};
  bool const divisor = (line_control_ & kDivisorAccess) != 0;
  switch (offset) {
    case kData: {
      if (divisor) return divisor_ & 0xFF;
      if (input_.empty()) return 0;
      std::uint8_t const byte = input_.front();
      input_.pop_front();
      if (at_break())
        bytes_before_break_.reset();
      else if (bytes_before_break_)
        --*bytes_before_break_;
      update();
      return byte;
    }
    case kInterruptEnable:
      return divisor ? divisor_ >> 8 : interrupt_enable_;
    case kIdentityOrFifo: {
      std::uint8_t const identity = interrupt_identity();
      if ((identity & 0x0F) == kIdentityEmpty) {
        empty_to_tell_ = false;  // told
        update();
      }
      return identity;
    }
    case kLineControl:
      return line_control_;
    case kModemControl:
      return modem_control_;
    case kLineStatus:
      return static_cast<std::uint8_t>(kTransmitterEmpty | (input_.empty() ? 0 : kDataReady) |
                                       (at_break() ? kBreak : 0));
    case kModemStatus:
      return modem_status();
    case kScratch:
      return scratch_;
    default:
      return 0;
  }
}

void Uart::write(std::uint64_t offset, unsigned, std::uint64_t value) {
  auto const byte = static_cast<std::uint8_t>(value);
  std::lock_guard const lock{mutex_};
  bool const divisor = (line_control_ & kDivisorAccess) != 0;
  switch (offset) {
    case kData:
      if (divisor)
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0xFF00) | byte);
      else
        send(byte);
      break;
    case kInterruptEnable:
      if (divisor) {
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0xFF) | byte << 8);
        break;
      }
      // Who begins to ask is told that the transmitter is empty, as it always is.
      if ((byte & kEnableEmpty) != 0 && (interrupt_enable_ & kEnableEmpty) == 0)
        empty_to_tell_ = true;
      interrupt_enable_ = byte & 0x0F;
      break;
    case kIdentityOrFifo:
      fifo_control_ = byte;
      if ((byte & 2) != 0) {
        input_.clear();
        bytes_before_break_.reset();
      }
      break;
    case kLineControl:
      line_control_ = byte;
      break;
    case kModemControl:
      modem_control_ = byte & 0x1F;
      break;
    case kScratch:
      scratch_ = byte;
      break;
    default:
      break;
  }
  update();
}

Result<void> Uart::save(StateWriter& to) const {
  to.put(Bytes{input_.begin(), input_.end()});
  for (auto const byte :
       {interrupt_enable_, fifo_control_, line_control_, modem_control_, scratch_})
    to.put(byte);
  to.put(divisor_);
  to.put(empty_to_tell_);
  return {};
}

bool Uart::restore(StateReader& from) {
  Bytes input;
  if (!from.get(input, kInputMax)) return false;
  input_.assign(input.begin(), input.end());
  for (auto* byte :
       {&interrupt_enable_, &fifo_control_, &line_control_, &modem_control_, &scratch_})
    if (!from.get(*byte)) return false;
  return from.get(divisor_) && from.get(empty_to_tell_);
}

}  // namespace mutirao::machine
