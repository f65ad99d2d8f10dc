#include "translator/translator.h"

#include <cstring>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hart/difference.h"
#include "testing/engine_side.h"
#include "testing/environment.h"
#include "translator/random_program.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kRam = EngineSide::kRam;

/// Both engines, side by side.
class Comparison {
 public:
  static constexpr GuestAddress kCode = kRam + 0x10000;
  static constexpr GuestAddress kData = kRam + 0x20000;
  static constexpr GuestAddress kHandler = kRam + 0x1000;

  /// Runs one random program in small slices; gives the first difference.
  std::string run(std::uint64_t seed) {
    RandomProgram program{seed, {.code = kCode, .data = kData, .nowhere = 0x1000}};
    // Sometimes across a page's end.
    auto const begin = kCode + (program.below(4) == 0 ? 4096 - 40 : program.below(64) * 2);
    auto const code = program.code(40);
    auto const bytes = base_bytes(code);
    for (auto* side : {&interpreted_, &translated_})
      EXPECT_TRUE(side->memory().write(begin, bytes));
    // What was plain the first time may be a region the next time.
    for (int round = 0; round < 3; ++round) {
      auto const where = run_from(begin, program, [](Hart&, auto const&) {});
      if (!where.empty()) return where;
    }
    return {};
  }

  std::string run_from(GuestAddress begin, RandomProgram& program, auto const& prepare) {
    std::vector<std::uint64_t> registers;
    for (int n = 0; n < 64; ++n) registers.push_back(n < 32 ? program.value() : program.number());
    auto const rounding = static_cast<std::uint8_t>(program.below(6));
    bool const off = program.below(30) == 0;
    auto const first = program.below(256);
    auto const prepared = program.below(1 << 30);
    for (auto* side : {&interpreted_, &translated_}) {
      auto& hart = side->hart();
      side->reset();  // a program may have changed itself, and into anything
      Bytes data(3 * 4096);
      for (std::size_t n = 0; n < data.size(); ++n)
        data[n] = static_cast<std::uint8_t>((first + n) * 37 >> 3);
      EXPECT_TRUE(side->memory().write(kData, data));
      hart.pc = begin;
      hart.mtvec = kHandler;
      for (int n = 0; n < 32; ++n) {
        hart.x[n] = n == 0 ? 0 : registers[n];
        hart.f[n] = registers[32 + n];
      }
      hart.frm = rounding;
      hart.fflags = 0;
      hart.mstatus = (hart.mstatus & ~status::kFs) | (off ? 0 : 1ull << status::kFsShift);
      hart.reservation = {};
      if (paged_) enter_supervisor(*side);
      RandomProgram same{prepared, {}};
      prepare(hart, [&](unsigned bound) { return same.below(bound); });
    }
    for (int slices = 0; slices < 20; ++slices) {
      auto const slice = program.below(program.below(8) == 0 ? 3000 : 60) + 1;
      interpreted_.run(slice);
      translated_.run(slice);
      auto const where = difference(interpreted_.hart(), translated_.hart());
      if (!where.empty()) return where;
      if (interpreted_.hart().pc == kHandler) break;
    }
    for (auto const place : {kCode, kData}) {
      auto const one = *interpreted_.memory().view(place, 3 * 4096);
      auto const other = *translated_.memory().view(place, 3 * 4096);
      if (std::memcmp(one.data(), other.data(), one.size()) != 0) return "memory";
    }
    return {};
  }

  /// Machine mode returns to code that adds, and lets a timer's interrupt in that waits; gives the
  /// first difference after so many instructions.
  std::string return_into_interrupt(std::uint64_t slice) {
    using namespace assembler;  // NOLINT(google-build-using-namespace)
    for (auto* side : {&interpreted_, &translated_}) {
      side->put(kCode, {mret()});
      side->put(kCode + 64, {addi(5, 5, 1), j(-4)});
      auto& hart = side->hart();
      hart.privilege = Privilege::machine;
      hart.pc = kCode;
      hart.mepc = kCode + 64;
      hart.mtvec = kHandler;
      hart.mstatus |= status::kMpie | status::kMpp;
      hart.mie = hart.lines = interrupt::kMtip;
      EXPECT_EQ(side->run(slice), Interpreter::Stop::budget);
    }
    return difference(interpreted_.hart(), translated_.hart());
  }

  /// An instruction that adds lies across the end of a page, and says in the second page what it
  /// adds. That page is mapped to others, one after the other; gives what was added.
  std::vector<std::uint64_t> run_across(std::vector<std::int32_t> const& addends) {
    constexpr GuestAddress kBegin = kCode + 4096 - 2;
    constexpr GuestAddress kSecond = kCode + 4096;
    std::vector<std::uint64_t> added;
    auto& memory = translated_.memory();
    constexpr std::uint64_t kSlot = (kSecond - kRam) / 4096;
    for (auto const addend : addends) {
      auto const word = assembler::addi(5, 0, addend);
      auto const page = kRam + 0x40000 + 4096 * static_cast<GuestAddress>(addend % 7);
      EXPECT_TRUE(memory.store(kBegin, static_cast<std::uint16_t>(word)));
      EXPECT_TRUE(memory.store(page, static_cast<std::uint16_t>(word >> 16)));
      EXPECT_TRUE(memory.store(page + 2, assembler::j(0)));
      EXPECT_TRUE(memory.store(kTables + 8192 + 8 * kSlot, page >> 2 | kLeaf));
      translated_.core().mmu.fence(&kSecond, nullptr);
      enter_supervisor(translated_);
      for (int times = 0; times < 3; ++times) {
        translated_.hart().pc = kBegin;
        translated_.run(5);
      }
      added.push_back(translated_.hart().x[5]);
    }
    return added;
  }

  /// The same for a loop that walks through memory, across the ends of pages.
  std::string run_loop(std::uint64_t seed) {
    RandomProgram program{seed, {.code = kCode, .data = kData, .nowhere = 0x1000}};
    auto const code = walking_loop(program);
    for (auto* side : {&interpreted_, &translated_}) side->put(kCode, code);
    for (int round = 0; round < 3; ++round) {
      auto const where = run_from(kCode, program, [&](Hart& hart, auto const& below) {
        for (auto const base : kBases) hart.x[base] = kData + 4096 - 64 + below(4096);
        hart.x[kRounds] = 1 + below(600);
      });
      if (!where.empty()) return where;
    }
    return {};
  }

  /// With `paged`, walks are made in supervisor mode, where what lies beside each other does not in
  /// memory.
  explicit Comparison(bool paged = false) : paged_{paged} {
    if (paged)
      for (auto* side : {&interpreted_, &translated_}) put_page_tables(side->memory());
    for (auto* side : {&interpreted_, &translated_}) side->put(kHandler, {assembler::j(0)});
  }
  [[nodiscard]] Translator& translator() { return translated_.translator(); }

 private:
  static constexpr GuestAddress kTables = kRam + 0x100000;
  static constexpr std::uint64_t kTable = 1, kLeaf = 0xCF;  // V; and R, W, X, A, D

  /// 2 MiB from kRam on, to themselves but for the pages of data, which change places.
  static void put_page_tables(GuestMemory& memory) {
    auto const entry = [](GuestAddress address, std::uint64_t bits) { return address >> 2 | bits; };
    auto const put = [&](GuestAddress table, std::uint64_t slot, std::uint64_t value) {
      EXPECT_TRUE(memory.store(table + 8 * slot, value));
    };
    put(kTables, kRam >> 30 & 511, entry(kTables + 4096, kTable));
    put(kTables + 4096, kRam >> 21 & 511, entry(kTables + 8192, kTable));
    for (std::uint64_t slot = 0; slot < 512; ++slot) {
      auto const page = (kData - kRam) / 4096;
      auto const to = slot - page < 3 ? page + (slot - page + 2) % 3 : slot;
      put(kTables + 8192, slot, entry(kRam + 4096 * to, kLeaf));
    }
  }
  static void enter_supervisor(EngineSide& side) {
    side.hart().privilege = Privilege::supervisor;
    side.hart().satp = std::uint64_t{8} << 60 | kTables / 4096;
    side.core().mmu.context_changed();
  }

  static constexpr std::array<unsigned, 3> kBases{10, 11, 28};
  static constexpr unsigned kRounds = 5;

  /// Loads and stores with bases that step forwards or backwards, or stand, or now and then do
  /// neither; arithmetic between; back while rounds are left.
  static assembler::Code walking_loop(RandomProgram& program) {
    using namespace assembler;  // NOLINT(google-build-using-namespace)
    std::vector<Word> words;
    auto const base = [&] { return kBases[program.below(kBases.size())]; };
    auto const value = [&] { return 12 + static_cast<unsigned>(program.below(8)); };
    auto const offset = [&] { return static_cast<std::int32_t>(program.below(80)) - 40; };
    for (auto const each : kBases) {
      auto const step = static_cast<std::int32_t>(1u << program.below(6));
      if (program.below(4) != 0)
        words.push_back(addi(each, each, program.below(2) == 0 ? step : -step));
    }
    for (auto count = 2 + program.below(8); count > 0; --count) {
      std::array const choices{
          ld(value(), base(), offset()),  lw(value(), base(), offset()),
          lbu(value(), base(), offset()), sd(value(), base(), offset()),
          sh(value(), base(), offset()),  sb(value(), base(), offset()),
          fld(value(), base(), offset()), fsd(value(), base(), offset()),
          add(value(), value(), value()), fmadd(1, value(), value(), value(), value()),
          mul(value(), value(), value()), xor_(value(), value(), value())};
      words.push_back(choices[program.below(choices.size())]);
    }
    if (program.below(8) == 0) words.push_back(addi(base(), base(), 8));
    words.push_back(addi(kRounds, kRounds, -1));
    words.push_back(bne(kRounds, 0, -4 * static_cast<std::int32_t>(words.size())));
    words.push_back(j(0));
    Code code;
    code << words;
    return code;
  }

  static ByteView base_bytes(std::vector<std::uint16_t> const& halves) {
    return {reinterpret_cast<std::uint8_t const*>(halves.data()), halves.size() * 2};
  }
  bool paged_;
  EngineSide interpreted_{false};
  EngineSide translated_{true};
};

// More of them: MUTIRAO_AUDIT_PROGRAMS=1000000, some of them from MUTIRAO_AUDIT_SEED on.
TEST(Translator, executes_random_programs_as_the_interpreter_does) {
  Comparison comparison;
  auto const first = from_environment("MUTIRAO_AUDIT_SEED", 1);
  auto const count = from_environment("MUTIRAO_AUDIT_PROGRAMS", 20'000);
  for (auto seed = first; seed < first + count; ++seed) {
    auto const where = comparison.run(seed);
    ASSERT_TRUE(where.empty()) << where << "\nMUTIRAO_AUDIT_SEED=" << seed
                               << " MUTIRAO_AUDIT_PROGRAMS=1 replays it";
  }
  if (count < 1000) return;  // one is replayed
  auto const& counts = comparison.translator().counts();
  EXPECT_GT(counts.blocks, count);
  EXPECT_GT(counts.regions, count / 4);
  EXPECT_GT(counts.invalidated, count);
}

TEST(Translator, takes_an_interrupt_that_was_let_in_when_a_slice_is_about_to_end) {
  Comparison comparison;
  for (std::uint64_t slice = 1; slice < 100; ++slice) {
    EXPECT_EQ(comparison.return_into_interrupt(slice), "") << "in " << slice;
  }
}

TEST(Translator, sees_that_the_second_page_of_an_instruction_became_another) {
  Comparison comparison{true};
  EXPECT_EQ(comparison.run_across({100, 200, 100, 300}),
            (std::vector<std::uint64_t>{100, 200, 100, 300}));
}

TEST(Translator, walks_through_memory_as_the_interpreter_does) {
  Comparison comparison{true};
  auto const first = from_environment("MUTIRAO_AUDIT_SEED", 1);
  auto const count = from_environment("MUTIRAO_AUDIT_PROGRAMS", 3'000);
  for (auto seed = first; seed < first + count; ++seed) {
    auto const where = comparison.run_loop(seed);
    ASSERT_TRUE(where.empty()) << where << "\nMUTIRAO_AUDIT_SEED=" << seed
                               << " MUTIRAO_AUDIT_PROGRAMS=1 replays it";
  }
  EXPECT_GT(comparison.translator().counts().walks, count / 2);
}

}  // namespace
}  // namespace mutirao::machine
