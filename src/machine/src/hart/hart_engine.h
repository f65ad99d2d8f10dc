#pragma once

#include <cstdint>

#include "hart/csr.h"

namespace mutirao::machine {

/// What executes the instructions of a hart. All do so alike, to the last bit: which one it is can
/// be told by nothing but time. One thread at a time.
class HartEngine {
 public:
  virtual ~HartEngine() = default;

  enum class Stop : std::uint8_t {
    budget,     ///< all instructions that were asked for
    waiting,    ///< wfi, and nothing to wake up for
    attention,  ///< `hart.attention` was set; it is cleared
  };
  /// Runs at most `budget` instructions; `hart.steps` tells how many it was. Interrupts are taken
  /// at the begin of a run and after instructions that may let one in, nowhere else.
  virtual Stop run(std::uint64_t budget) = 0;
  /// Likewise, but it may stop for its budget some tens of instructions early, where that costs
  /// nothing.
  virtual Stop run_about(std::uint64_t budget) { return run(budget); }

  [[nodiscard]] virtual Core& core() noexcept = 0;
};

}  // namespace mutirao::machine
