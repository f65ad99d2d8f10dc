// Does anything to the registers of every device: each four bytes are an access (which device and
// how wide; where; with what).
#include <cstdint>
#include <string>

#include "mutirao/base/check.h"

#include "devices/clint.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/syscon.h"
#include "devices/uart.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

struct CountedTime final : HartHost {
  std::uint64_t now = 0;
  std::uint64_t time() override { return now++; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  Hart first, second;
  CountedTime host;
  auto const memory = *GuestMemory::create(0x80000000, kPageSize);
  Bus bus{*memory};
  Plic plic{{&first, &second}};
  Clint clint{{&first, &second}, host};
  std::size_t sent = 0;
  Uart uart{[&](std::uint8_t) { ++sent; }, InterruptWire{plic, 10}};
  Rtc rtc{[&] { return host.now * 1000; }, InterruptWire{plic, 11}};
  Syscon syscon{[](Syscon::Request, unsigned) {}};
  struct {
    GuestAddress base;
    std::uint64_t size;
    Device& device;
  } const devices[] = {{0x100000, Syscon::kSize, syscon},
                       {0x101000, Rtc::kSize, rtc},
                       {0x2000000, Clint::kSize, clint},
                       {0xC000000, Plic::kSize, plic},
                       {0x10000000, Uart::kSize, uart}};
  for (auto const& device : devices) bus.attach(device.base, device.size, device.device);

  for (; size >= 4; data += 4, size -= 4) {
    auto const& chosen = devices[(data[0] & 15) % std::size(devices)];
    unsigned const width = 1u << (data[0] >> 4 & 3);
    // Registers lie together at the start, and in a PLIC those of harts in rows far behind it.
    std::uint64_t const row = (data[0] & 0x80) != 0 ? 0x200000 + (data[2] << 12) : data[2] << 8;
    std::uint64_t const offset = (row | data[1]) % chosen.size;
    bool const small = (data[0] & 15) >= std::size(devices);
    std::uint64_t const value = data[3] * (small ? 1 : 0x0101010101010101u);
    if ((data[0] & 0x40) != 0) {
      bool const written = bus.write(chosen.base + offset, width, value);
      MUT_ASSERT(written == (offset % width == 0 && offset + width <= chosen.size));
    } else {
      static_cast<void>(bus.read(chosen.base + offset, width));
    }
    if (data[3] == 7) static_cast<void>(uart.type("typed"));
    clint.look_at_time();
    rtc.look_at_time();
    MUT_ASSERT((first.lines & ~(interrupt::kMachine | interrupt::kSeip)) == 0);
  }
  return 0;
}
