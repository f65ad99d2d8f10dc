#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "translator/block.h"
#include "translator/block_arena.h"
#include "translator/registers.h"

namespace mutirao::machine {

/// What is made of a block that runs often: a loop around it, of all blocks that lead to each other
/// and back, or the block alone. Its registers are where this code wants them; inside, nothing is
/// moved. What is seldom leaves it for the plain blocks, which have a way for everything.
struct RegionPlan {
  std::uint32_t count = 0;  ///< instructions of the first run
  std::uint32_t round = 0;  ///< and of the shortest way from its begin back to it
  std::span<Site> sites;
  std::vector<Run> runs;  ///< the first is where it is entered
  RegisterMap map;
  std::vector<Walk> walks;
  Block::Unit unit = Block::Unit::checked_by_each;
  std::uint64_t lines = 0;  ///< as those of a block
};

/// `entry` is a plain block that translates something; its sites are taken from `arena`.
[[nodiscard]] RegionPlan plan_region(Block& entry, BlockArena& arena);

}  // namespace mutirao::machine
