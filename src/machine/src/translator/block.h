#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "isa/instruction.h"
#include "memory/guest_memory.h"

namespace mutirao::machine {

struct Block;

/// An instruction in a block: what is needed when it can't be finished by the block itself.
struct Site {
  Instruction instruction;
  std::uint64_t pc = 0;
  Block* block = nullptr;
  std::uint32_t index = 0;  ///< instructions of the block before it
};

/// A jump out of a block to an address that is known.
struct Link {
  std::uint64_t target = 0;
  std::size_t displacement = 0;  ///< of the jump, in the code memory
  Block* to = nullptr;           ///< where it leads; nothing: to the stub that leaves
};

/// A run of the guest's instructions, translated: entered at its begin, left by its jumps.
struct Block {
  std::uint64_t pc = 0;       ///< virtual
  GuestAddress physical = 0;  ///< of the same; all of it lies in one page
  std::uint64_t context = 0;  ///< low bits: the mode that it was translated for
  /// Instructions, when it is not left before its end; 0: the first is none that is translated.
  std::uint32_t count = 0;
  std::uint64_t lines = 0;  ///< a bit for each line of the page that it was made from
  std::size_t begin = 0;    ///< in the code memory
  std::size_t bytes = 0;
  bool stale = false;
  std::unique_ptr<Site[]> sites;
  std::vector<std::unique_ptr<Link>> links;  ///< out of it
  std::vector<Link*> incoming;               ///< those of other blocks that lead here
};

}  // namespace mutirao::machine
