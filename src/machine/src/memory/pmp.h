#pragma once

#include <cstdint>

#include "hart/hart.h"
#include "memory/guest_memory.h"

namespace mutirao::machine {

enum class Access : std::uint8_t { fetch, load, store };

/// Physical memory protection (Priv. 3.7): what firmware keeps from the modes below it.
///
/// Sixteen entries with a grain of four bytes. The registers are decoded into ranges when they are
/// written, so that a check is a comparison for each entry in use.
class Pmp {
 public:
  /// After any write to pmpcfg or pmpaddr.
  void update(Hart const& hart) noexcept;
  /// Whether an access with the rights of `privilege` may touch the range, all of which the entry
  /// that matches first must cover.
  [[nodiscard]] bool allows(GuestAddress address, std::uint64_t size, Access access,
                            Privilege privilege) const noexcept;

 private:
  struct Range {
    GuestAddress first;
    GuestAddress last;
    std::uint8_t config;
  };
  Range ranges_[kPmpEntries];
  unsigned count_ = 0;
};

}  // namespace mutirao::machine
