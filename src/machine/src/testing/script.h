#pragma once

#include <algorithm>
#include <cstdint>

#include "mutirao/base/bytes.h"

namespace mutirao::machine {

/// What a fuzzer says is to happen, byte by byte; zeros when it has said all.
class Script {
 public:
  explicit Script(ByteView bytes) : left_{bytes} {}
  [[nodiscard]] bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    auto const first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }
  std::uint16_t word() { return static_cast<std::uint16_t>(byte() << 8 | byte()); }
  /// So many, or those that are left.
  ByteView bytes(std::size_t count) {
    auto const taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }

 private:
  ByteView left_;
};

}  // namespace mutirao::machine
