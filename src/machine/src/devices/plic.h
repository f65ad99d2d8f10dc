#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mutirao/threads/mutex.h"

#include "hart/hart.h"
#include "memory/bus.h"

namespace mutirao::machine {

/// The platform-level interrupt controller: says which hart attends to which device (RISC-V PLIC
/// 1.0.0).
///
/// 95 sources, level-triggered. Two contexts for each hart, in the order of QEMU's `virt`: machine
/// mode, then supervisor mode.
class Plic final : public Device {
 public:
  static constexpr unsigned kSources = 96;  // number 0 is none
  static constexpr std::uint64_t kSize = 0x600000;

  /// The harts outlive this.
  explicit Plic(std::vector<Hart*> harts);

  /// What the device behind a source asks for now. From any thread.
  void set_level(unsigned source, bool raised);

  [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  using SourceBits = std::array<std::uint32_t, kSources / 32>;
  struct Context {
    Hart* hart;
    std::uint64_t line;
    SourceBits enabled{};
    std::uint32_t threshold = 0;
  };
  /// The source to attend to first, or 0.
  [[nodiscard]] unsigned best(Context const& context, std::uint32_t above) const noexcept;
  [[nodiscard]] unsigned claim(Context const& context);
  void update();

  threads::mutex mutex_;
  std::vector<Context> contexts_;
  std::array<std::uint32_t, kSources> priority_{};
  SourceBits level_{};
  SourceBits pending_{};
  SourceBits in_service_{};  // claimed by a hart that has not said that it is done
};

/// One device's wire to the PLIC, which outlives it.
class InterruptWire {
 public:
  InterruptWire(Plic& plic, unsigned source) noexcept : plic_{&plic}, source_{source} {}
  void set(bool raised) { plic_->set_level(source_, raised); }

 private:
  Plic* plic_;
  unsigned source_;
};

}  // namespace mutirao::machine
