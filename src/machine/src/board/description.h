#pragma once

#include <cstdint>
#include <string_view>

#include "mutirao/base/bytes.h"

namespace mutirao::machine {

struct BoardDescription {
  std::uint64_t memory_bytes;
  unsigned cpus;
  std::string_view append;
  std::uint64_t initrd_begin = 0;  ///< nothing when both are equal
  std::uint64_t initrd_end = 0;
  ByteView rng_seed{};
};

/// The device tree of the board: what a kernel needs to know to use everything on it.
[[nodiscard]] Bytes describe_board(BoardDescription const& board);

}  // namespace mutirao::machine
