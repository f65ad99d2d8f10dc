#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/threads/mutex.h"

#include "devices/plic.h"
#include "memory/bus.h"

/// PCI as far as paravirtual devices need it: one bus, configured by ECAM, with a window of memory
/// and the four wires INTA to INTD (PCI Local Bus 3.0, chapter 6; PCI Express Base, 7.2.2).
namespace mutirao::machine {

/// One function with a plain header and one memory range, BAR 0 of 32 bits. Its configuration space
/// holds what it was made with; what a driver may change in it is said bit by bit.
///
/// The configuration space is the host bridge's to guard; what is behind BAR 0, the function's.
class PciFunction {
 public:
  struct Identity {
    std::uint16_t vendor;
    std::uint16_t device;
    std::uint32_t class_code;  ///< 24 bits
    std::uint8_t revision;
    std::uint32_t memory_size;  ///< of BAR 0, a power of two of at least 16
  };
  explicit PciFunction(Identity const& identity);
  virtual ~PciFunction() = default;

  [[nodiscard]] std::uint32_t read_config(std::uint32_t offset, unsigned size) const;
  void write_config(std::uint32_t offset, unsigned size, std::uint32_t value);

  /// Where BAR 0 lies now, if the driver has switched it on and it is somewhere.
  struct Range {
    GuestAddress base;
    std::uint64_t size;
  };
  [[nodiscard]] Range range() const noexcept;

  [[nodiscard]] virtual std::uint64_t read(std::uint64_t offset, unsigned size) = 0;
  virtual void write(std::uint64_t offset, unsigned size, std::uint64_t value) = 0;

  [[nodiscard]] bool interrupt_raised() const noexcept;

 protected:
  /// Adds a vendor-specific capability: its bytes behind the link to the next.
  void add_capability(ByteView content);
  void set_interrupt(bool raised);

 private:
  friend class PciHost;
  void put(std::uint32_t offset, unsigned size, std::uint32_t value, std::uint32_t writable = 0);

  std::array<std::uint8_t, 256> config_{};
  std::array<std::uint8_t, 256> writable_{};
  std::uint32_t memory_size_;
  std::uint32_t last_link_ = 0x34;
  std::uint32_t next_capability_ = 0x40;
  // What others look at while the configuration may be written.
  std::atomic<GuestAddress> base_{0};  // of BAR 0; 0 when it is nowhere
  std::atomic<bool> interrupt_off_{false};
  std::atomic<bool> interrupt_{false};
  class PciHost* host_ = nullptr;
};

/// The host bridge: finds functions by their number, and their memory by address.
class PciHost {
 public:
  static constexpr std::uint64_t kEcamSize = 0x10000000;
  static constexpr unsigned kSlots = 32, kWires = 4;

  /// Interrupts `first_source` to `first_source` + 3 of the PLIC are INTA to INTD of slot 0; each
  /// further slot is turned by one.
  PciHost(Plic& plic, unsigned first_source, GuestAddress window, std::uint64_t window_size);

  /// `function` outlives this. Slot 0 is the bridge itself.
  void add(unsigned slot, PciFunction& function);

  [[nodiscard]] Device& ecam() noexcept { return ecam_; }
  [[nodiscard]] Device& window() noexcept { return window_; }

  [[nodiscard]] static unsigned wire_of(unsigned slot) noexcept { return slot % kWires; }

 private:
  friend class PciFunction;
  void update_wires();

  struct Ecam final : Device {
    explicit Ecam(PciHost& owner) : host{owner} {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override;
    void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;
    [[nodiscard]] PciFunction* find(std::uint64_t offset) const noexcept;
    PciHost& host;
  };
  struct Window final : Device {
    explicit Window(PciHost& owner, GuestAddress at) : host{owner}, base{at} {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override;
    void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;
    [[nodiscard]] PciFunction* find(std::uint64_t& offset, unsigned size) const noexcept;
    PciHost& host;
    GuestAddress base;
  };

  Plic& plic_;
  unsigned first_source_;
  threads::mutex config_mutex_;  // of the configuration spaces of all functions
  threads::mutex wires_mutex_;  // so that the last one to look at the wires saw all that was raised
  std::unique_ptr<PciFunction> bridge_;
  std::array<PciFunction*, kSlots> functions_{};
  Ecam ecam_;
  Window window_;
};

}  // namespace mutirao::machine
