#pragma once

#include <cstdint>
#include <memory>

#include "hart/interpreter.h"
#include "testing/assembler.h"

namespace mutirao::machine {

/// A hart with 16 MiB of RAM in which tests run a few instructions. It starts in machine mode at
/// `kCode`, with a trap handler at `kHandler` that the tests never leave: they look at where the
/// hart stands. The modes below may touch all memory.
class TestHart {
 public:
  static constexpr GuestAddress kRam = 0x80000000, kRamSize = 16 << 20;
  static constexpr GuestAddress kCode = kRam, kHandler = kRam + 0x10000,
                                kSupervisorHandler = kRam + 0x11000, kData = kRam + 0x20000,
                                kTables = kRam + 0x100000;

  struct Host final : HartHost {
    std::uint64_t now = 0;
    std::uint64_t time() override { return now; }
  };

  TestHart() {
    hart().pc = kCode;
    hart().mtvec = kHandler;
    hart().stvec = kSupervisorHandler;
    hart().pmpaddr[0] = ~std::uint64_t{0} >> 10;
    hart().pmpcfg[0] = 0x1F;
    mmu().rules_changed();
  }

  Hart& hart() { return *hart_; }
  Mmu& mmu() { return interpreter_->core().mmu; }
  Core& core() { return interpreter_->core(); }
  Interpreter& interpreter() { return *interpreter_; }
  GuestMemory& memory() { return *memory_; }
  Bus& bus() { return *bus_; }
  Host& host() { return host_; }
  std::uint64_t& x(unsigned reg) { return hart().x[reg]; }
  std::uint64_t& f(unsigned reg) { return hart().f[reg]; }

  void put(GuestAddress address, assembler::Code const& code) {
    for (assembler::Word const word : code.words()) {
      static_cast<void>(memory_->store(address, word));
      address += 4;
    }
  }
  /// Puts the code at the hart's pc, which is physical, and executes as many instructions.
  void run(assembler::Code const& code) {
    put(hart().pc, code);
    interpreter_->run(code.words().size());
  }
  void step(std::uint64_t instructions = 1) { interpreter_->run(instructions); }
  void enter(Privilege privilege) {
    hart().privilege = privilege;
    mmu().context_changed();
  }
  [[nodiscard]] bool trapped_to_machine() { return hart().pc == kHandler; }
  [[nodiscard]] bool trapped_to_supervisor() { return hart().pc == kSupervisorHandler; }
  [[nodiscard]] Cause cause() { return static_cast<Cause>(hart().mcause); }

  template <class T>
  T load(GuestAddress address) {
    return memory_->load<T>(address).value_or(0);
  }

 private:
  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(kRam, kRamSize);
  std::unique_ptr<Bus> bus_ = std::make_unique<Bus>(*memory_);
  Host host_;
  std::unique_ptr<Hart> hart_ = std::make_unique<Hart>();
  std::unique_ptr<Interpreter> interpreter_ = std::make_unique<Interpreter>(*hart_, *bus_, host_);
};

/// Page tables in the RAM of a TestHart, for Sv39 or Sv48.
class TestTables {
 public:
  static constexpr std::uint64_t kV = 1, kR = 2, kW = 4, kX = 8, kU = 16, kG = 32, kA = 64,
                                 kD = 128, kAll = kV | kR | kW | kX | kA | kD;
  static constexpr std::uint64_t kN = 1ull << 63;

  explicit TestTables(TestHart& hart, unsigned levels = 3) : hart_{hart}, levels_{levels} {}

  /// Makes the leaf of `level` for `address`; gives where it lies.
  GuestAddress map(std::uint64_t address, GuestAddress physical, std::uint64_t flags,
                   unsigned level = 0) {
    GuestAddress table = TestHart::kTables;
    for (unsigned at = levels_ - 1; at > level; --at) {
      GuestAddress const place = table + (address >> (12 + 9 * at) & 511) * 8;
      auto entry = hart_.load<std::uint64_t>(place);
      if (entry == 0) {
        entry = (TestHart::kTables + ++used_ * kPageSize) >> 2 | kV;
        set(place, entry);
      }
      table = (entry >> 10) << 12;
    }
    GuestAddress const place = table + (address >> (12 + 9 * level) & 511) * 8;
    set(place, physical >> 2 | flags);
    return place;
  }
  void set(GuestAddress place, std::uint64_t entry) {
    static_cast<void>(hart_.memory().store(place, entry));
  }
  /// Translation is on from now, for the modes below machine mode.
  void use(std::uint16_t asid = 0) {
    std::uint64_t const mode = levels_ == 3 ? 8 : 9;
    hart_.hart().satp = mode << 60 | std::uint64_t{asid} << 44 | TestHart::kTables >> 12;
    hart_.mmu().context_changed();
  }

 private:
  TestHart& hart_;
  unsigned levels_;
  std::uint64_t used_ = 0;
};

}  // namespace mutirao::machine
