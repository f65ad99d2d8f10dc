#include "translator/block_arena.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "translator/block.h"

namespace mutirao::machine {
namespace {

TEST(BlockArena, gives_what_is_as_new_also_where_something_was) {
  auto arena = *BlockArena::make(1 << 20);
  for (int times = 0; times < 2; ++times) {
    auto& block = arena.make<Block>();
    EXPECT_EQ(block.links, nullptr);
    EXPECT_EQ(block.count, 0u);
    auto& link = arena.make<Link>();
    EXPECT_EQ(link.patience, Link{}.patience);
    block.links = &link;
    block.count = 7;
    link.patience = 3;
    arena.clear();
  }
}

TEST(BlockArena, gives_pieces_that_lie_apart_until_it_is_full) {
  constexpr std::size_t kBytes = 64 << 10;
  auto arena = *BlockArena::make(kBytes);
  std::uint8_t const* end = nullptr;
  for (std::size_t count = 1; arena.left() >= count * sizeof(Site); ++count) {
    auto const sites = arena.take<Site>(count);
    auto const* const begin = reinterpret_cast<std::uint8_t const*>(sites.data());
    EXPECT_EQ(sites.size(), count);
    EXPECT_TRUE(end == nullptr || begin >= end);
    for (auto& site : sites) site.pc = count;
    end = begin + sites.size_bytes();
  }
  EXPECT_LE(arena.left(), kBytes / 2);
  arena.clear();
  EXPECT_EQ(arena.left(), kBytes);
}

}  // namespace
}  // namespace mutirao::machine
