#include "user/user_memory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

#include <gtest/gtest.h>

namespace mutirao::machine::user {
namespace {

constexpr Protection kReadWrite{.read = true, .write = true};
constexpr UserAddress kHere = 0x40000;
using Access = AddressSpace::Access;

/// Memory of programs, with room for 64 pages.
class UserMemoryTest : public testing::Test {
 protected:
  std::unique_ptr<AddressSpace> space() { return AddressSpace::make(pool_, gate_, park_); }
  static ByteView bytes_of(std::string_view text) {
    return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
  }

  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(0x80000000, 64 * kPageSize);
  PagePool pool_{*memory_};
  GuestAddress gate_ = *pool_.take();
  GuestAddress park_ = *pool_.take();
};

TEST_F(UserMemoryTest, is_zeros_until_it_is_written_and_goes_across_pages) {
  auto const mine = space();
  ASSERT_EQ(mine->map(kHere, 3 * kPageSize, {kReadWrite}), std::int64_t{kHere});
  EXPECT_EQ(mine->load<std::uint64_t>(kHere + 8), 0u);
  auto const at = kHere + kPageSize - 3;
  EXPECT_TRUE(mine->write(at, bytes_of("across\0")));
  EXPECT_EQ(mine->text(at), "across");
}

TEST_F(UserMemoryTest, is_reached_nowhere_but_where_the_program_has_some) {
  auto const mine = space();
  static_cast<void>(mine->map(kHere, kPageSize, {kReadWrite}));
  for (UserAddress const hostile :
       {UserAddress{0}, UserAddress{16}, kHere - 4, kHere + kPageSize - 4, kUserEnd - 4, kUserEnd,
        kGate, kGate + kPageSize, ~UserAddress{0} - 8, ~UserAddress{0} - 7}) {
    EXPECT_FALSE(mine->load<std::uint64_t>(hostile)) << hostile;
    EXPECT_FALSE(mine->store(hostile, std::uint64_t{1})) << hostile;
    EXPECT_FALSE(mine->reaches(hostile, ~std::uint64_t{0}, Access::read)) << hostile;
  }
  for (UserAddress const hostile : {UserAddress{16}, kHere + kPageSize, kUserEnd, kGate})
    EXPECT_FALSE(mine->text(hostile)) << hostile;
}

TEST_F(UserMemoryTest, refuses_ranges_that_make_no_sense) {
  auto const mine = space();
  for (auto const& [begin, size] : std::initializer_list<std::pair<UserAddress, std::uint64_t>>{
           {kHere, 0},
           {kHere + 1, 1},
           {kUserEnd, 1},
           {kUserEnd - kPageSize, 2 * kPageSize},
           {~UserAddress{0} & ~kPageMask, kPageSize},
           {kHere, ~std::uint64_t{0}}}) {
    EXPECT_LT(mine->map(begin, size, {kReadWrite}), 0) << begin << " " << size;
    EXPECT_LT(mine->unmap(begin, size), 0) << begin << " " << size;
    EXPECT_LT(mine->remap(begin, size, size, true), 0) << begin << " " << size;
  }
  EXPECT_FALSE(mine->free_range(~std::uint64_t{0}));
}

TEST_F(UserMemoryTest, does_what_its_protection_says_and_keeps_what_nobody_may_see) {
  auto const mine = space();
  static_cast<void>(mine->map(kHere, 2 * kPageSize, {kReadWrite}));
  EXPECT_TRUE(mine->store(kHere, std::uint64_t{7}));
  EXPECT_EQ(mine->protect(kHere, kPageSize, {}), 0);
  EXPECT_TRUE(mine->take_stale());
  EXPECT_FALSE(mine->load<std::uint64_t>(kHere));
  EXPECT_FALSE(mine->fault(kHere, Access::read));
  EXPECT_TRUE(mine->store(kHere + kPageSize, std::uint64_t{8}));
  EXPECT_EQ(mine->protect(kHere, kPageSize, {.read = true}), 0);
  EXPECT_EQ(mine->load<std::uint64_t>(kHere), 7u);
  EXPECT_FALSE(mine->store(kHere, std::uint64_t{1}));
  EXPECT_FALSE(mine->fault(kHere, Access::execute));
  EXPECT_EQ(mine->protect(kHere, 3 * kPageSize, {.read = true}), -ENOMEM);
}

TEST_F(UserMemoryTest, moves_with_its_content_when_it_cannot_grow_where_it_is) {
  auto const mine = space();
  static_cast<void>(mine->map(kHere, kPageSize, {kReadWrite}));
  static_cast<void>(mine->map(kHere + 2 * kPageSize, kPageSize, {kReadWrite}));
  EXPECT_TRUE(mine->store(kHere, std::uint64_t{7}));
  EXPECT_EQ(mine->remap(kHere, kPageSize, 2 * kPageSize, false), std::int64_t{kHere});
  EXPECT_EQ(mine->remap(kHere, 2 * kPageSize, 3 * kPageSize, false), -ENOMEM);
  auto const moved = mine->remap(kHere, 2 * kPageSize, 3 * kPageSize, true);
  ASSERT_GT(moved, 0);
  EXPECT_EQ(mine->load<std::uint64_t>(static_cast<UserAddress>(moved)), 7u);
  EXPECT_FALSE(mine->load<std::uint64_t>(kHere));
}

TEST_F(UserMemoryTest, of_a_child_is_its_own_but_for_what_is_shared) {
  auto const mine = space();
  static_cast<void>(mine->map(kHere, kPageSize, {kReadWrite}));
  static_cast<void>(mine->map(kHere + kPageSize, kPageSize, {kReadWrite, true}));
  EXPECT_TRUE(mine->store(kHere, std::uint64_t{7}));
  auto const child = mine->copy();
  ASSERT_NE(child, nullptr);
  EXPECT_EQ(child->load<std::uint64_t>(kHere), 7u);
  EXPECT_TRUE(child->store(kHere, std::uint64_t{8}));
  EXPECT_TRUE(child->store(kHere + kPageSize, std::uint64_t{9}));
  EXPECT_EQ(mine->load<std::uint64_t>(kHere), 7u);
  EXPECT_EQ(mine->load<std::uint64_t>(kHere + kPageSize), 9u);
}

TEST_F(UserMemoryTest, ends_where_the_pages_end_and_comes_back_as_zeros) {
  for (int again = 0; again < 3; ++again) {
    auto const mine = space();
    static_cast<void>(mine->map(kHere, 100 * kPageSize, {kReadWrite}));
    std::uint64_t given = 0;
    while (given < 100 && mine->load<std::uint64_t>(kHere + given * kPageSize) == 0u) {
      EXPECT_TRUE(mine->store(kHere + given * kPageSize, ~std::uint64_t{0}));
      ++given;
    }
    EXPECT_GT(given, 40u);
    EXPECT_LT(given, 64u);
  }
}

// Goal: whatever a program maps, protects and unmaps, it finds what a list of pages would have.
TEST_F(UserMemoryTest, is_what_a_list_of_pages_says) {
  constexpr unsigned kPages = 24;
  struct Page {
    bool there = false;
    bool writable = false;
    std::uint64_t value = 0;
  };
  std::mt19937_64 random{1};
  auto const mine = space();
  std::array<Page, kPages> model;
  for (int step = 0; step < 20'000; ++step) {
    auto const first = random() % kPages;
    auto const count = 1 + random() % (kPages - first);
    auto const at = kHere + first * kPageSize;
    auto const part = std::span{model}.subspan(first, count);
    switch (random() % 5) {
      case 0:
        EXPECT_EQ(mine->map(at, count * kPageSize, {kReadWrite}), static_cast<std::int64_t>(at));
        std::ranges::fill(part, Page{true, true, 0});
        break;
      case 1:
        EXPECT_EQ(mine->unmap(at, count * kPageSize), 0);
        std::ranges::fill(part, Page{});
        break;
      case 2: {
        bool const writable = random() % 2 == 0;
        bool const all = std::ranges::all_of(part, &Page::there);
        auto const done = mine->protect(at, count * kPageSize, {.read = true, .write = writable});
        EXPECT_EQ(done, all ? 0 : -ENOMEM);
        for (auto& each : part)
          if (all) each.writable = writable;
        break;
      }
      default: {
        auto& page = model[first];
        auto const value = random();
        EXPECT_EQ(mine->store(at, value), page.there && page.writable);
        if (page.there && page.writable) page.value = value;
        auto const seen = mine->load<std::uint64_t>(at);
        EXPECT_EQ(seen.has_value(), page.there);
        EXPECT_EQ(seen.value_or(0), page.value);
      }
    }
  }
}

}  // namespace
}  // namespace mutirao::machine::user
