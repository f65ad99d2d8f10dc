#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>

#include "hart/interpreter.h"
#include "memory/bus.h"
#include "memory/guest_memory.h"
#include "testing/assembler.h"
#include "translator/frame.h"
#include "translator/translator.h"

namespace mutirao::machine {

/// A hart with memory of its own, interpreted or translated.
class EngineSide {
 public:
  static constexpr GuestAddress kRam = 0x80000000;
  static constexpr std::uint64_t kRamBytes = 16 << 20;

  explicit EngineSide(bool translated) {
    if (translated)
      translator_ = *Translator::make(*frame_, bus_, host_, 4 << 20, 1);
    else
      interpreter_ = std::make_unique<Interpreter>(frame_->hart, bus_, host_);
    reset();
  }
  /// What machine mode says of the hart, as in the beginning: the modes below may touch all memory.
  void reset() {
    auto& now = hart();
    now.mstatus &= ~(status::kMprv | status::kMxr | status::kSum | status::kMie | status::kSie |
                     status::kTvm | status::kTw | status::kTsr);
    now.medeleg = now.mideleg = now.mie = now.mip_written = 0;
    now.menvcfg = 0;
    now.mcounteren = now.mcountinhibit = 0;
    now.satp = 0;
    now.privilege = Privilege::machine;
    Hart all;
    all.pmpaddr[0] = ~std::uint64_t{0} >> 10;
    all.pmpcfg[0] = 0x1F;
    if (std::ranges::equal(all.pmpcfg, now.pmpcfg) && std::ranges::equal(all.pmpaddr, now.pmpaddr))
      return core().mmu.context_changed();
    std::ranges::copy(all.pmpcfg, now.pmpcfg);
    std::ranges::copy(all.pmpaddr, now.pmpaddr);
    core().mmu.rules_changed();
  }
  [[nodiscard]] Hart& hart() { return frame_->hart; }
  [[nodiscard]] Core& core() { return translator_ ? translator_->core() : interpreter_->core(); }
  [[nodiscard]] GuestMemory& memory() { return *memory_; }
  [[nodiscard]] Translator& translator() { return *translator_; }
  Interpreter::Stop run(std::uint64_t budget) {
    return translator_ ? translator_->run(budget) : interpreter_->run(budget);
  }
  void put(GuestAddress address, assembler::Code const& code) {
    for (auto const word : code.words()) {
      ASSERT_TRUE(memory_->store(address, word));
      address += 4;
    }
  }

 private:
  struct Host final : HartHost {
    Hart* hart = nullptr;
    std::uint64_t time() override { return hart->steps / 8; }
  };
  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(kRam, kRamBytes);
  Bus bus_{*memory_};
  Host host_;
  std::unique_ptr<HartFrame> frame_ = [this] {
    auto frame = std::make_unique<HartFrame>();
    host_.hart = &frame->hart;
    return frame;
  }();
  std::unique_ptr<Interpreter> interpreter_;
  std::unique_ptr<Translator> translator_;
};

}  // namespace mutirao::machine
