// Runs any bytes as a guest, by both engines: the first byte decides the mode and where tables are,
// the rest is memory from its start on. Nothing that it does reaches beyond its memory, counts stay
// exact, and the engines do the same, as long as no page tables are in use: a guest that changes
// those without a fence may find either the old or the new (Priv. 10.2.1).
#include <algorithm>
#include <cstdint>
#include <memory>

#include "mutirao/base/check.h"

#include "hart/difference.h"
#include "hart/interpreter.h"
#include "translator/translator.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kGuestBase = 0x80000000;
constexpr std::uint64_t kGuestSize = 64 << 10;
constexpr std::uint64_t kGuestSteps = 3'000;
constexpr std::size_t kGuestCodeBytes = 1 << 20;

struct SteppingHost final : HartHost {
  Hart* hart = nullptr;
  std::uint64_t time() override { return hart->steps; }
};

/// One guest, run by one engine.
class FuzzedGuest {
 public:
  FuzzedGuest(ByteView input, bool translated) {
    auto const how = input[0];
    MUT_ASSERT(memory_->write(kGuestBase, input.subspan(1)));
    auto& hart = this->hart();
    host_.hart = &hart;
    if (translated)
      engine_ = *Translator::make(*frame_, bus_, host_, kGuestCodeBytes);
    else
      engine_ = std::make_unique<Interpreter>(hart, bus_, host_);
    hart.pc = hart.mtvec = hart.stvec = kGuestBase;
    hart.pmpaddr[0] = ~std::uint64_t{0} >> 10;
    hart.pmpcfg[0] = 0x1F;
    hart.mstatus |= status::kFs;
    hart.medeleg = 0xB3FF;
    hart.mideleg = interrupt::kSupervisor;
    hart.menvcfg = how & 0x40 ? ~std::uint64_t{0} : 0;
    hart.privilege = how & 1 ? Privilege::supervisor : Privilege::machine;
    for (unsigned i = 1; i < 32; ++i) hart.x[i] = kGuestBase + i * 256 + (how >> 2 & 7);
    if ((how & 2) != 0) {
      // Translation with the guest's own bytes as tables, and one large page so that it gets going.
      static_cast<void>(
          memory_->store<std::uint64_t>(kGuestBase + 0x8000 + 16, kGuestBase >> 2 | 0xCF));
      hart.satp = 8ull << 60 | (kGuestBase + 0x8000) >> 12;
    }
    engine_->core().mmu.rules_changed();
  }
  void run(std::uint64_t budget) {
    auto const before = hart().steps;
    auto const stop = engine_->run(budget);
    MUT_ASSERT(hart().steps - before <= budget);
    MUT_ASSERT(stop != HartEngine::Stop::budget || hart().steps - before == budget);
    MUT_ASSERT(hart().x[0] == 0 && (hart().pc & 1) == 0);
    if (stop == HartEngine::Stop::waiting) hart().waiting = false;
  }
  [[nodiscard]] Hart& hart() noexcept { return frame_->hart; }
  [[nodiscard]] ByteView bytes() const { return *memory_->view(kGuestBase, kGuestSize); }

 private:
  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(kGuestBase, kGuestSize);
  Bus bus_{*memory_};
  SteppingHost host_;
  std::unique_ptr<HartFrame> frame_ = std::make_unique<HartFrame>();
  std::unique_ptr<HartEngine> engine_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 2) return 0;
  ByteView const input{data, std::min<std::size_t>(size, kGuestSize + 1)};
  FuzzedGuest interpreted{input, false};
  FuzzedGuest translated{input, true};
  bool same = true;
  for (std::uint64_t asked = 0; asked < kGuestSteps;) {
    std::uint64_t const budget = 1 + asked % 97;
    asked += budget;
    interpreted.run(budget);
    translated.run(budget);
    same = same && interpreted.hart().satp == 0 && translated.hart().satp == 0;
    if (!same) continue;
    MUT_ASSERT(difference(translated.hart(), interpreted.hart()).empty());
  }
  if (same) MUT_ASSERT(std::ranges::equal(interpreted.bytes(), translated.bytes()));
  return 0;
}
