#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hart/difference.h"
#include "testing/engine_side.h"

namespace mutirao::machine {
namespace calls_test {
namespace {

using namespace assembler;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kBegin = EngineSide::kRam + 0x10000;
constexpr GuestAddress kFunctions = kBegin + 4096;
constexpr GuestAddress kStackTop = EngineSide::kRam + 0x80000;

/// Functions in three pages that call each other in all ways there are, as deep as s1 allows, and
/// come back: as a rule as they should, sometimes behind the next instruction, sometimes to an odd
/// address, or not at all.
class CallingProgram {
 public:
  explicit CallingProgram(std::uint64_t seed) : random_{seed} {}

  void put_into(EngineSide& side, std::uint64_t rounds) {
    CallingProgram same{*this};
    for (std::size_t n = 0; n < kCount; ++n) side.put(address_of(n), same.function(n));
    Code main;
    main << li(s3, kBegin + 4 * 16) << li(s2, kStackTop);
    main << std::vector<Word>(16 - main.words().size(), nop());
    MUT_ASSERT(main.words().size() == 16);
    main << mv(sp, s2) << li(s1, rounds);
    auto const here = kBegin + main.size_bytes();
    main << jal(ra, distance(here, address_of(0))) << addi(a1, a1, 1) << j(-16 - 4);
    side.put(kBegin, main);
  }

 private:
  static constexpr std::size_t kCount = 9;
  static constexpr std::size_t kWordsMax = 80;

  static GuestAddress address_of(std::size_t n) {
    return kFunctions + n % 3 * 4096 + n / 3 * 4 * kWordsMax + (n == 4 ? 0x700 : 0);
  }
  static std::int32_t distance(GuestAddress from, GuestAddress to) {
    return static_cast<std::int32_t>(static_cast<std::int64_t>(to - from));
  }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  /// rd = address, from pc
  static std::vector<Word> address_into(Reg rd, GuestAddress from, GuestAddress to,
                                        std::int32_t& low) {
    auto const far = distance(from, to);
    auto const high = (far + 0x800) >> 12;
    low = far - high * 4096;
    return {auipc(rd, static_cast<Word>(high) & 0xfffff)};
  }

  Code function(std::size_t n) {
    auto const at = address_of(n);
    Code code{addi(s1, s1, -1), bge(s1, zero, 8), jalr(zero, ra), addi(sp, sp, -16), sd(ra, sp)};
    for (auto calls = 1 + below(2); calls > 0; --calls) {
      code << addi(a0, a0, static_cast<std::int32_t>(below(100)));
      auto const to = address_of(below(kCount));
      auto const here = at + code.size_bytes();
      std::int32_t low = 0;
      switch (below(5)) {
        case 0:
          code << address_into(ra, here, to, low);
          code << jalr(ra, ra, low);
          break;
        case 1:
          code << address_into(t1, here, to, low);
          code << addi(t1, t1, low) << jalr(ra, t1);
          break;
        case 2:  // a branch leads behind what makes the base
          code << address_into(t1, here, to, low);
          code << beq(zero, zero, 4) << jalr(ra, t1, low);
          break;
        default:
          code << jal(ra, distance(here, to));
          break;
      }
      code << xori(a0, a0, 5);  // may be stepped over
    }
    code << ld(ra, sp) << addi(sp, sp, 16);
    switch (below(8)) {
      case 0:
        code << addi(ra, ra, 4) << jalr(zero, ra);
        break;
      case 1:
        code << ori(ra, ra, 1) << jalr(zero, ra);
        break;
      case 2:
        code << mv(t0, ra) << jalr(zero, t0);
        break;
      case 3: {
        auto const here = at + code.size_bytes();
        code << j(distance(here, address_of(below(kCount))));
        break;
      }
      case 4:
        code << andi(t1, s1, 63) << bne(t1, zero, 8) << jalr(zero, s3) << jalr(zero, ra);
        break;
      default:
        code << jalr(zero, ra);
        break;
    }
    MUT_ASSERT(code.words().size() <= kWordsMax);
    return code;
  }

  std::mt19937_64 random_;
};

// Method: the same programs, interpreted and translated, in slices of all lengths; after each the
// harts must be the same.
TEST(Calls, come_back_as_the_interpreter_does) {
  EngineSide interpreted{false};
  EngineSide translated{true};
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    std::mt19937_64 random{seed};
    auto const rounds = seed % 3 == 0 ? 2000 : 1 + random() % 60;
    for (auto* side : {&interpreted, &translated}) {
      CallingProgram{seed}.put_into(*side, rounds);
      side->hart().pc = kBegin;
      std::ranges::fill(side->hart().x, 0);
    }
    for (int slices = 0; slices < 24; ++slices) {
      auto const slice = 1 + random() % (slices % 4 == 0 ? 12'000 : 90);
      interpreted.run(slice);
      translated.run(slice);
      ASSERT_EQ(difference(interpreted.hart(), translated.hart()), "") << "seed " << seed;
    }
  }
}

TEST(Calls, take_no_base_from_an_instruction_that_writes_no_register) {
  EngineSide interpreted{false};
  EngineSide translated{true};
  for (auto* side : {&interpreted, &translated}) {
    side->put(kBegin, {auipc(zero, 1), jalr(ra, zero, 64)});
    side->hart().pc = kBegin;
    side->hart().mtvec = kFunctions;
    side->run(2);
  }
  EXPECT_EQ(difference(interpreted.hart(), translated.hart()), "");
}

/// A caller and what it calls, each in a page of its own, in supervisor mode: what lies at the
/// page of the function, adds as much to a0 as the number of the physical page says.
class Remapped {
 public:
  static constexpr GuestAddress kCaller = EngineSide::kRam + 0x10000;
  static constexpr GuestAddress kCalled = kCaller + 4096;
  static constexpr std::uint64_t kPages = 4;

  explicit Remapped(bool global) : leaf_{global ? kLeaf | kGlobal : kLeaf} {
    side_.put(kCaller, {jal(ra, 4096), addi(a1, a1, 1), j(-8)});
    for (std::uint64_t page = 0; page < kPages; ++page)
      side_.put(place_of(page), {addi(a0, a0, 1 + static_cast<std::int32_t>(page)), jalr(0, ra)});
    for (std::uint64_t space = 0; space < 2; ++space) {
      auto const tables = tables_of(space);
      put(tables, kCaller >> 30 & 511, tables + 4096, kTable);
      put(tables + 4096, kCaller >> 21 & 511, tables + 8192, kTable);
      put(tables + 8192, kCaller >> 12 & 511, kCaller, leaf_);
      map(space, 0);
    }
  }
  void map(std::uint64_t space, std::uint64_t page) {
    put(tables_of(space) + 8192, kCalled >> 12 & 511, place_of(page), leaf_);
  }
  [[nodiscard]] Mmu& mmu() { return side_.core().mmu; }
  void enter(std::uint64_t space) {
    auto& hart = side_.hart();
    hart.privilege = Privilege::supervisor;
    hart.satp = std::uint64_t{8} << 60 | (space + 1) << 44 | tables_of(space) / 4096;
    mmu().context_changed();
  }
  /// Which page was called: the same in all of some rounds, or none.
  std::uint64_t called() {
    constexpr std::uint64_t kRounds = 6;
    constexpr std::uint64_t kInstructions = 5;
    auto& hart = side_.hart();
    hart.pc = kCaller;
    hart.x[a0] = hart.x[a1] = 0;
    side_.run(kRounds * kInstructions);
    EXPECT_EQ(hart.x[a1], kRounds);
    EXPECT_EQ(hart.x[a0] % kRounds, 0u);
    return hart.x[a0] / kRounds - 1;
  }

 private:
  static constexpr std::uint64_t kTable = 1, kLeaf = 0xCF, kGlobal = 0x20;

  static GuestAddress place_of(std::uint64_t page) {
    return EngineSide::kRam + 0x40000 + 4096 * page;
  }
  static GuestAddress tables_of(std::uint64_t space) {
    return EngineSide::kRam + 0x100000 + 0x10000 * space;
  }
  void put(GuestAddress table, std::uint64_t slot, GuestAddress to, std::uint64_t bits) {
    EXPECT_TRUE(side_.memory().store(table + 8 * slot, to >> 2 | bits));
  }

  std::uint64_t leaf_;
  EngineSide side_{true};
};

TEST(Links, between_pages_end_when_another_page_is_mapped_there) {
  for (bool const global : {false, true}) {
    Remapped guest{global};
    guest.enter(0);
    for (std::uint64_t page : {0u, 1u, 2u, 3u, 1u, 0u}) {
      guest.map(0, page);
      guest.mmu().fence(&Remapped::kCalled, nullptr);
      EXPECT_EQ(guest.called(), page) << "global: " << global;
    }
  }
}

TEST(Links, between_pages_end_when_all_may_be_mapped_elsewhere) {
  for (bool const global : {false, true}) {
    Remapped guest{global};
    guest.enter(0);
    for (std::uint64_t page : {0u, 1u, 2u, 3u, 1u, 0u}) {
      guest.map(0, page);
      guest.mmu().fence(nullptr, nullptr);
      EXPECT_EQ(guest.called(), page) << "global: " << global;
    }
  }
}

TEST(Links, between_pages_hold_in_one_space_alone) {
  Remapped guest{false};
  guest.map(0, 1);
  guest.map(1, 2);
  for (int times = 0; times < 5; ++times)
    for (std::uint64_t const space : {0u, 1u}) {
      guest.enter(space);
      EXPECT_EQ(guest.called(), 1 + space);
    }
  guest.map(1, 3);
  std::uint64_t const asid = 2;
  guest.mmu().fence(nullptr, &asid);
  for (std::uint64_t const space : {1u, 0u}) {
    guest.enter(space);
    EXPECT_EQ(guest.called(), 1 + 2 * space);
  }
}

/// What was called changes what is behind the call, now and then, before it returns there; the call
/// itself lies in another line and stays.
class CallerThatChanges {
 public:
  explicit CallerThatChanges(bool translated) : side_{translated} {
    side_.put(kCaller, {jal(ra, 4096), addi(a1, a1, 1), addi(a2, a2, 1), j(-12)});
    // Every other time the word at a3 changes places with a4.
    side_.put(kCaller + 4096, {xori(a5, a5, 1), beq(a5, zero, 20), lw(t1, a3), sw(a4, a3),
                               mv(a4, t1), fence_i(), jalr(zero, ra)});
    auto& hart = side_.hart();
    hart.pc = kCaller;
    hart.x[a3] = kCaller + 4;
    hart.x[a4] = addi(a1, a1, 100);
  }
  [[nodiscard]] EngineSide& side() { return side_; }

 private:
  static constexpr GuestAddress kCaller = EngineSide::kRam + 0x10000 + kCodeLine - 4;
  EngineSide side_;
};

TEST(Calls, return_to_what_was_written_meanwhile) {
  CallerThatChanges interpreted{false};
  CallerThatChanges translated{true};
  for (std::uint64_t slice = 1; slice < 200; ++slice) {
    interpreted.side().run(slice);
    translated.side().run(slice);
    ASSERT_EQ(difference(interpreted.side().hart(), translated.side().hart()), "") << slice;
  }
  EXPECT_GT(translated.side().hart().x[a1], 20 * translated.side().hart().x[a2]);
}

/// What was called maps another page where the caller was, before it returns there.
TEST(Calls, return_to_the_page_that_is_mapped_there_now) {
  constexpr GuestAddress kCaller = EngineSide::kRam + 0x10000;
  constexpr GuestAddress kTables = EngineSide::kRam + 0x100000;
  constexpr std::uint64_t kLeaf = 0xCF;
  auto const place = [](std::uint64_t page) { return EngineSide::kRam + 0x40000 + 4096 * page; };
  auto const leaf = [](GuestAddress to) { return to >> 2 | kLeaf; };
  EngineSide interpreted{false};
  EngineSide translated{true};
  for (auto* side : {&interpreted, &translated}) {
    auto const put = [&](GuestAddress at, std::uint64_t value) {
      EXPECT_TRUE(side->memory().store(at, value));
    };
    for (std::int32_t page = 0; page < 2; ++page)
      side->put(place(page), {jal(ra, 4096), addi(a1, a1, 1 + 100 * page), j(-8)});
    side->put(kCaller + 4096, {ld(t1, a3), sd(a4, a3), mv(a4, t1), sfence_vma(a5), addi(a2, a2, 1),
                               jalr(zero, ra)});
    put(kTables, (kTables + 4096) >> 2 | 1);
    put(kTables + 8 * (kCaller >> 30 & 511), (kTables + 4096) >> 2 | 1);
    put(kTables + 4096 + 8 * (kCaller >> 21 & 511), (kTables + 8192) >> 2 | 1);
    for (std::uint64_t slot = 0; slot < 512; ++slot)
      put(kTables + 8192 + 8 * slot, leaf(EngineSide::kRam + 4096 * slot));
    auto const entry = kTables + 8192 + 8 * (kCaller >> 12 & 511);
    put(entry, leaf(place(0)));
    auto& hart = side->hart();
    hart.x[a3] = entry;
    hart.x[a4] = leaf(place(1));
    hart.x[a5] = kCaller;
    hart.pc = kCaller;
    hart.privilege = Privilege::supervisor;
    hart.satp = std::uint64_t{8} << 60 | kTables / 4096;
    side->core().mmu.context_changed();
  }
  for (std::uint64_t slice = 1; slice < 200; ++slice) {
    interpreted.run(slice);
    translated.run(slice);
    ASSERT_EQ(difference(interpreted.hart(), translated.hart()), "") << slice;
  }
  EXPECT_GT(translated.hart().x[a1], 51 * translated.hart().x[a2] - 200);
}

}  // namespace
}  // namespace calls_test
}  // namespace mutirao::machine
