// A kernel that configures functions as it likes: each eight bytes are an access to configuration
// space or to the window, or a device that raises its interrupt.
#include <cstdint>
#include <cstring>

#include "mutirao/base/check.h"

#include "devices/pci.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kFuzzWindow = 0x40000000;
constexpr std::uint64_t kFuzzWindowSize = 1 << 20;

struct FuzzFunction final : PciFunction {
  std::uint32_t memory_size;
  FuzzFunction(std::uint16_t id, std::uint32_t size)
      : PciFunction{{0x1AF4, id, 0x018000, 1, size}}, memory_size{size} {
    add_capability(Bytes{16, 1, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7});
    add_capability(Bytes{20, 2, 0});
  }
  std::uint64_t read(std::uint64_t offset, unsigned size) override {
    MUT_ASSERT(offset < memory_size && size <= memory_size - offset);
    return offset;
  }
  void write(std::uint64_t offset, unsigned size, std::uint64_t) override {
    static_cast<void>(read(offset, size));
  }
  void raise(bool raised) { set_interrupt(raised); }
};

/// What no driver may change.
void check_function(PciFunction& function, std::uint16_t id, std::uint32_t size) {
  MUT_ASSERT(function.read_config(0, 4) == (std::uint32_t{id} << 16 | 0x1AF4));
  auto const range = function.range();
  MUT_ASSERT(range.size == 0 || (range.size == size && range.base % size == 0 &&
                                 range.base <= 0xFFFFFFFF - (size - 1)));
  unsigned capabilities = 0;
  for (std::uint32_t at = function.read_config(0x34, 1); at != 0;
       at = function.read_config(at + 1, 1)) {
    MUT_ASSERT(at >= 0x40 && at % 4 == 0 && function.read_config(at, 1) == 9);
    MUT_ASSERT(++capabilities <= 2);
  }
  MUT_ASSERT(capabilities == 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  Hart hart;
  Plic plic{{&hart}};
  PciHost host{plic, 32, kFuzzWindow, kFuzzWindowSize};
  FuzzFunction first{0x1042, 16}, second{0x1043, 0x4000};
  constexpr unsigned kFirstSlot = 1, kSecondSlot = 6;
  host.add(kFirstSlot, first);
  host.add(kSecondSlot, second);
  for (; size >= 8; data += 8, size -= 8) {
    unsigned const width = 1u << (data[0] >> 2 & 3);
    std::uint32_t where, value;
    std::memcpy(&where, data, sizeof where);
    std::memcpy(&value, data + 4, sizeof value);
    where >>= 8;
    // As the bus does it: what is not aligned never arrives.
    where &= ~(width - 1);
    switch (data[0] & 3) {
      case 0: {
        // Most of it at the two functions' headers.
        std::uint64_t offset = (where & 0x80 ? kSecondSlot : kFirstSlot) << 15 | (where & 0x7F);
        if ((data[0] & 0x40) != 0) offset = where;
        if ((data[0] & 0x80) != 0)
          host.ecam().write(offset, width, value);
        else
          static_cast<void>(host.ecam().read(offset, width));
        break;
      }
      case 1:
        if ((data[0] & 0x80) != 0)
          host.window().write(where % kFuzzWindowSize, width, value);
        else
          static_cast<void>(host.window().read(where % kFuzzWindowSize, width));
        break;
      default:
        ((data[0] & 0x40) != 0 ? first : second).raise((data[0] & 0x80) != 0);
        break;
    }
    check_function(first, 0x1042, first.memory_size);
    check_function(second, 0x1043, second.memory_size);
    // A wire shows whether one of its functions raises it, and nothing else.
    std::uint64_t const pending = plic.read(0x1004, 4);
    for (unsigned wire = 0; wire < PciHost::kWires; ++wire) {
      bool const raised = (wire == PciHost::wire_of(kFirstSlot) && first.interrupt_raised()) ||
                          (wire == PciHost::wire_of(kSecondSlot) && second.interrupt_raised());
      MUT_ASSERT((pending >> wire & 1) == (raised ? 1u : 0u));
    }
  }
  return 0;
}
