#pragma once

#include "hart/hart.h"
#include "snapshot/state.h"

namespace mutirao::machine {

/// A hart's registers as a part of a snapshot. The Hart outlives this; whoever restores it tells
/// its Mmu that all has changed.
class SavedHart final : public Saved {
 public:
  explicit SavedHart(Hart& hart) noexcept : hart_{hart} {}
  [[nodiscard]] Result<void> save(StateWriter& to) const override;
  [[nodiscard]] bool restore(StateReader& from) override;

 private:
  Hart& hart_;
};

}  // namespace mutirao::machine
