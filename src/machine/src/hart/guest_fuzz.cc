// Runs any bytes as a guest: the first decides the mode and where tables are, the rest is memory
// from its start on. Nothing that it does reaches beyond its memory, and counts stay exact.
#include <algorithm>
#include <cstdint>
#include <memory>

#include "mutirao/base/check.h"

#include "hart/interpreter.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kGuestBase = 0x80000000;
constexpr std::uint64_t kGuestSize = 64 << 10;
constexpr std::uint64_t kGuestSteps = 3'000;

struct SteppingHost final : HartHost {
  Hart* hart = nullptr;
  std::uint64_t time() override { return hart->steps; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 2) return 0;
  auto const memory = *GuestMemory::create(kGuestBase, kGuestSize);
  Bus bus{*memory};
  auto const hart = std::make_unique<Hart>();
  SteppingHost host;
  host.hart = hart.get();
  auto const interpreter = std::make_unique<Interpreter>(*hart, bus, host);
  if (!memory->write(kGuestBase, {data + 1, std::min<std::size_t>(size - 1, kGuestSize)})) return 0;

  hart->pc = hart->mtvec = hart->stvec = kGuestBase;
  hart->pmpaddr[0] = ~std::uint64_t{0} >> 10;
  hart->pmpcfg[0] = 0x1F;
  hart->mstatus |= status::kFs;
  hart->medeleg = 0xB3FF;
  hart->mideleg = interrupt::kSupervisor;
  hart->menvcfg = data[0] & 0x40 ? ~std::uint64_t{0} : 0;
  hart->privilege = data[0] & 1 ? Privilege::supervisor : Privilege::machine;
  for (unsigned i = 1; i < 32; ++i) hart->x[i] = kGuestBase + i * 256 + (data[0] >> 2 & 7);
  if ((data[0] & 2) != 0) {
    // Translation with the guest's own bytes as tables, and one large page so that it gets going.
    static_cast<void>(
        memory->store<std::uint64_t>(kGuestBase + 0x8000 + 16, kGuestBase >> 2 | 0xCF));
    hart->satp = 8ull << 60 | (kGuestBase + 0x8000) >> 12;
  }
  interpreter->core().mmu.rules_changed();
  std::uint64_t asked = 0;
  while (asked < kGuestSteps) {
    std::uint64_t const budget = 1 + asked % 97;
    std::uint64_t const before = hart->steps;
    auto const stop = interpreter->run(budget);
    MUT_ASSERT(hart->steps - before <= budget);
    MUT_ASSERT(stop != Interpreter::Stop::budget || hart->steps - before == budget);
    MUT_ASSERT(hart->x[0] == 0 && (hart->pc & 1) == 0);
    hart->waiting = false;
    asked += budget;
  }
  return 0;
}
