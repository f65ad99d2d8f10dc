#include "devices/pci.h"

#include <algorithm>
#include <mutex>

#include "mutirao/base/check.h"

namespace mutirao::machine {
namespace {

// Offsets and bits of a type 0 header (PCI 3.0, 6.1 and 6.2).
constexpr std::uint32_t kVendorAt = 0x00, kDeviceAt = 0x02, kCommandAt = 0x04, kStatusAt = 0x06,
                        kRevisionAt = 0x08, kClassAt = 0x09, kBar0At = 0x10,
                        kSubsystemVendorAt = 0x2C, kSubsystemAt = 0x2E, kInterruptLineAt = 0x3C,
                        kInterruptPinAt = 0x3D;
constexpr std::uint16_t kMemoryOn = 2, kMasterOn = 4, kInterruptOff = 0x400;
constexpr std::uint16_t kInterruptStatus = 8, kHasCapabilities = 0x10;
constexpr std::uint8_t kVendorSpecific = 9;
constexpr std::uint32_t kAbsent = 0xFFFFFFFF;

struct Bridge final : PciFunction {
  // What QEMU's generic bridge says: kernels have no driver for it, and need none.
  Bridge() : PciFunction{{0x1B36, 0x0008, 0x060000, 0, 0}} {}
  std::uint64_t read(std::uint64_t, unsigned) override { return 0; }
  void write(std::uint64_t, unsigned, std::uint64_t) override {}
};

std::uint32_t masked(std::uint32_t value, unsigned size) {
  return size >= 4 ? value : value & ((1u << 8 * size) - 1);
}

}  // namespace

PciFunction::PciFunction(Identity const& identity) : memory_size_{identity.memory_size} {
  put(kVendorAt, 2, identity.vendor);
  put(kDeviceAt, 2, identity.device);
  put(kCommandAt, 2, 0, kMemoryOn | kMasterOn | kInterruptOff);
  put(kRevisionAt, 1, identity.revision);
  put(kClassAt, 2, identity.class_code & 0xFFFF);
  put(kClassAt + 2, 1, identity.class_code >> 16);
  if (memory_size_ != 0) put(kBar0At, 4, 0, ~(memory_size_ - 1));
  put(kSubsystemVendorAt, 2, identity.vendor);
  put(kSubsystemAt, 2, identity.device);
  put(kInterruptLineAt, 1, 0, 0xFF);
  put(kInterruptPinAt, 1, memory_size_ != 0 ? 1 : 0);  // INTA
}

void PciFunction::put(std::uint32_t offset, unsigned size, std::uint32_t value,
                      std::uint32_t writable) {
  MUT_ASSERT(offset + size <= config_.size());
  for (unsigned i = 0; i < size; ++i) {
    config_[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
    writable_[offset + i] = static_cast<std::uint8_t>(writable >> 8 * i);
  }
}

void PciFunction::add_capability(ByteView content) {
  std::uint32_t const at = next_capability_;
  put(last_link_, 1, at);
  put(at, 1, kVendorSpecific);
  put(at + 1, 1, 0);
  for (std::uint32_t i = 0; i < content.size(); ++i) put(at + 2 + i, 1, content[i]);
  put(kStatusAt, 2, kHasCapabilities);
  last_link_ = at + 1;
  next_capability_ = (at + 2 + static_cast<std::uint32_t>(content.size()) + 3) & ~3u;
}

std::uint32_t PciFunction::read_config(std::uint32_t offset, unsigned size) const {
  if (offset + size > config_.size()) return 0;  // of the extended space nothing is used
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= std::uint32_t{config_[offset + i]} << 8 * i;
  if (interrupt_ && offset <= kStatusAt && offset + size > kStatusAt)
    value |= std::uint32_t{kInterruptStatus} << 8 * (kStatusAt - offset);
  return value;
}

void PciFunction::write_config(std::uint32_t offset, unsigned size, std::uint32_t value) {
  if (offset + size > config_.size()) return;
  for (unsigned i = 0; i < size; ++i) {
    std::uint8_t const mask = writable_[offset + i];
    auto const byte = static_cast<std::uint8_t>(value >> 8 * i);
    config_[offset + i] = static_cast<std::uint8_t>((config_[offset + i] & ~mask) | (byte & mask));
  }
  bool const on = (config_[kCommandAt] & kMemoryOn) != 0;
  base_ = on ? read_config(kBar0At, 4) : 0;
  interrupt_off_ = (read_config(kCommandAt, 2) & kInterruptOff) != 0;
  if (host_ != nullptr) host_->update_wires();
}

PciFunction::Range PciFunction::range() const noexcept {
  GuestAddress const base = base_;
  return base != 0 ? Range{base, memory_size_} : Range{0, 0};
}

void PciFunction::set_interrupt(bool raised) {
  if (interrupt_.exchange(raised) == raised) return;
  if (host_ != nullptr) host_->update_wires();
}

bool PciFunction::interrupt_raised() const noexcept { return interrupt_ && !interrupt_off_; }

PciHost::PciHost(Plic& plic, unsigned first_source, GuestAddress window, std::uint64_t window_size)
    : plic_{plic},
      first_source_{first_source},
      bridge_{std::make_unique<Bridge>()},
      ecam_{*this},
      window_{*this, window} {
  MUT_ASSERT(window_size != 0 && window + window_size <= std::uint64_t{1} << 32);
  add(0, *bridge_);
}

void PciHost::add(unsigned slot, PciFunction& function) {
  MUT_ASSERT(slot < kSlots && functions_[slot] == nullptr);
  functions_[slot] = &function;
  function.host_ = this;
}

void PciHost::update_wires() {
  std::lock_guard const lock{wires_mutex_};
  std::array<bool, kWires> raised{};
  for (unsigned slot = 0; slot < kSlots; ++slot)
    if (functions_[slot] != nullptr && functions_[slot]->interrupt_raised())
      raised[wire_of(slot)] = true;
  for (unsigned wire = 0; wire < kWires; ++wire)
    plic_.set_level(first_source_ + wire, raised[wire]);
}

PciFunction* PciHost::Ecam::find(std::uint64_t offset) const noexcept {
  // Bus, device, function, register: 8, 5, 3 and 12 bits. One bus, one function each.
  std::uint64_t const number = offset >> 12;
  return number >> 8 == 0 && (number & 7) == 0 ? host.functions_[number >> 3] : nullptr;
}

std::uint64_t PciHost::Ecam::read(std::uint64_t offset, unsigned size) {
  PciFunction const* const function = find(offset);
  if (size > 4) return ~std::uint64_t{0};
  if (function == nullptr) return masked(kAbsent, size);
  std::lock_guard const lock{host.config_mutex_};
  return function->read_config(offset & 0xFFF, size);
}

void PciHost::Ecam::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  PciFunction* const function = find(offset);
  if (function == nullptr || size > 4) return;
  std::lock_guard const lock{host.config_mutex_};
  function->write_config(offset & 0xFFF, size, static_cast<std::uint32_t>(value));
}

PciFunction* PciHost::Window::find(std::uint64_t& offset, unsigned size) const noexcept {
  GuestAddress const address = base + offset;
  for (PciFunction* const function : host.functions_) {
    if (function == nullptr) continue;
    auto const range = function->range();
    if (address - range.base >= range.size || size > range.size - (address - range.base)) continue;
    offset = address - range.base;
    return function;
  }
  return nullptr;
}

std::uint64_t PciHost::Window::read(std::uint64_t offset, unsigned size) {
  PciFunction* const function = find(offset, size);
  return function == nullptr ? ~std::uint64_t{0} : function->read(offset, size);
}

void PciHost::Window::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (PciFunction* const function = find(offset, size)) function->write(offset, size, value);
}

}  // namespace mutirao::machine
