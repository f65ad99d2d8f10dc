// What harts that run at the same time may see of each other's loads and stores (RVWMO; Unpriv.
// 20240411, 18 and appendix A): two to four harts do the same few accesses to fresh places many
// times, close together, and each outcome is counted. Forbidden ones must never come. That the
// harness can see anything is shown by the one order that x86 does not keep either.
#include <array>
#include <cstdio>
#include <map>
#include <string>

#include "testing/smp_guest.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;

/// In a body s0 is where x is, s1 where y is, and 0 is in both; results go to s2 and s3.
struct Litmus {
  std::vector<SmpCode> bodies;  // of each hart
  std::uint64_t rounds;
};
using LitmusOutcome = std::array<std::uint64_t, 10>;  // s2 and s3 of each hart, then x and y
constexpr std::uint64_t kCellBytes = 256;             // x, and y 128 bytes further
constexpr std::uint64_t kResultBytes = 8 * 8;
constexpr std::uint64_t kRoundsOfAProgram = 50'000;

constexpr as::Word fence_of(unsigned before, unsigned after) {  // bits: i 8, o 4, r 2, w 1
  return before << 24 | after << 20 | 0x0F;
}
constexpr as::Word kFullFence = fence_of(3, 3), kStoresFirst = fence_of(1, 1),
                   kLoadsFirst = fence_of(2, 2);

SmpCode body(std::initializer_list<as::Word> words) {
  SmpCode code;
  for (auto const word : words) code << word;
  return code;
}
constexpr as::Word kSetX = as::sd(as::t5, as::s0), kSetY = as::sd(as::t5, as::s1),
                   kSetX2 = as::sd(as::t6, as::s0), kSetY2 = as::sd(as::t6, as::s1);
constexpr as::Word get_x(as::Reg to) { return as::ld(to, as::s0); }
constexpr as::Word get_y(as::Reg to) { return as::ld(to, as::s1); }

SmpCode litmus_program(Litmus const& test, std::uint64_t rounds) {
  auto const harts = static_cast<unsigned>(test.bodies.size());
  constexpr GuestAddress kFlags = smp::kShared, kCells = smp::kShared + 0x1000;
  GuestAddress const results = kCells + rounds * kCellBytes;
  SmpCode start;
  start << as::li(as::s0, kCells) << as::li(smp::s8, results) << as::li(as::s4, rounds)
        << as::li(as::s5, kFlags) << as::li(as::t5, 1) << as::li(as::t6, 2) << as::li(as::s6, 0);
  start << as::slli(as::s7, smp::s11, 7) << as::add(as::s7, as::s7, as::s5)
        << as::slli(as::t0, smp::s11, 4) << as::add(smp::s8, smp::s8, as::t0);
  return smp::program(harts, start, [&](SmpCode& code) {
    code.at("round") << as::addi(as::s6, as::s6, 1) << as::addi(as::s1, as::s0, 128)
                     << as::li(as::s2, 0) << as::li(as::s3, 0);
    // All begin together, but for a little that differs from round to round.
    code << kFullFence << as::sd(as::s6, as::s7);
    for (unsigned other = 0; other < harts; ++other) {
      auto const wait = "wait" + std::to_string(other);
      code.at(wait) << as::ld(as::t0, as::s5, static_cast<std::int32_t>(other * 128));
      code.to(wait, [](auto d) { return as::bltu(as::t0, as::s6, d); });
    }
    code << as::srli(as::t0, as::s6, 2) << as::xor_(as::t0, as::t0, smp::s11)
         << as::andi(as::t0, as::t0, 15);
    code.at("skew") << as::addi(as::t0, as::t0, -1);
    code.to("skew", [](auto d) { return as::bge(as::t0, as::zero, d); });
    for (unsigned hart = 0; hart < harts; ++hart) {
      auto const next = "not" + std::to_string(hart);
      code << as::li(as::t0, hart);
      code.to(next, [](auto d) { return as::bne(as::t0, smp::s11, d); });
      code << test.bodies[hart];
      code.at(next);
    }
    code << as::sd(as::s2, smp::s8) << as::sd(as::s3, smp::s8, 8)
         << as::addi(smp::s8, smp::s8, kResultBytes) << as::addi(as::s0, as::s0, kCellBytes);
    code.to("round", [](auto d) { return as::bltu(as::s6, as::s4, d); });
    code.jump("done");
  });
}

using LitmusOutcomes = std::map<LitmusOutcome, std::uint64_t>;  // how often each was seen

LitmusOutcomes outcomes_of(Litmus const& test, Engine engine) {
  LitmusOutcomes seen;
  for (std::uint64_t done = 0; done < test.rounds;) {
    auto const rounds = std::min(test.rounds - done, kRoundsOfAProgram);
    smp::run(static_cast<unsigned>(test.bodies.size()), litmus_program(test, rounds), engine,
             [&](GuestMemory const& memory) {
               GuestAddress const cells = smp::kShared + 0x1000;
               GuestAddress const results = cells + rounds * kCellBytes;
               for (std::uint64_t i = 0; i < rounds; ++i) {
                 LitmusOutcome outcome{};
                 for (unsigned n = 0; n < 8; ++n)
                   outcome[n] = *memory.load<std::uint64_t>(results + i * kResultBytes + 8 * n);
                 outcome[8] = *memory.load<std::uint64_t>(cells + i * kCellBytes);
                 outcome[9] = *memory.load<std::uint64_t>(cells + i * kCellBytes + 128);
                 ++seen[outcome];
               }
             });
    if (testing::Test::HasFatalFailure()) return seen;
    done += rounds;
  }
  return seen;
}

std::uint64_t count(LitmusOutcomes const& outcomes,
                    std::function<bool(LitmusOutcome const&)> const& counted) {
  std::uint64_t found = 0;
  for (auto const& [outcome, times] : outcomes)
    if (counted(outcome)) found += times;
  return found;
}

std::uint64_t rounds_of(Engine engine) {
  return smp_rounds(engine == Engine::translator ? 1'000 : 300);
}

/// For who runs these for long: as s2 and s3 of each hart, then x and y.
void tell(LitmusOutcomes const& outcomes, std::size_t harts, Engine engine) {
  if (smp_rounds(1) == 1) return;
  std::string line = engine == Engine::translator ? "translated:" : "interpreted:";
  for (auto const& [outcome, times] : outcomes) {
    line += " ";
    for (std::size_t hart = 0; hart < harts; ++hart)
      line += fmt::format("{}{}|", outcome[2 * hart], outcome[2 * hart + 1]);
    line += fmt::format("{}{} {},", outcome[8], outcome[9], times);
  }
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void expect_never(std::vector<SmpCode> bodies,
                  std::function<bool(LitmusOutcome const&)> const& forbidden) {
  for (auto const engine : smp::kEngines) {
    auto const outcomes = outcomes_of({bodies, rounds_of(engine)}, engine);
    tell(outcomes, bodies.size(), engine);
    EXPECT_EQ(count(outcomes, forbidden), 0u);
  }
}
void tell_how_often(char const* what, std::vector<SmpCode> bodies,
                    std::function<bool(LitmusOutcome const&)> const& allowed) {
  auto const rounds = rounds_of(Engine::translator);
  auto const outcomes = outcomes_of({std::move(bodies), rounds}, Engine::translator);
  std::printf("%s: %llu of %llu, allowed\n", what,
              static_cast<unsigned long long>(count(outcomes, allowed)),
              static_cast<unsigned long long>(rounds));
}

// Store buffering: each stores to its place and looks at the other's.
bool both_missed(LitmusOutcome const& o) { return o[0] == 0 && o[2] == 0; }

TEST(Litmus, sees_a_load_come_before_a_store_where_no_fence_forbids_it) {
  std::vector<SmpCode> const bodies{body({kSetX, get_y(as::s2)}), body({kSetY, get_x(as::s2)})};
  // With a processor for itself alone a hart never meets the other; so it may take several tries.
  std::uint64_t found = 0;
  for (int tries = 0; tries < 50 && found == 0; ++tries)
    found = count(outcomes_of({bodies, 2'000}, Engine::translator), both_missed);
  EXPECT_GT(found, 0u) << "the harts never meet: these tests could not fail";
}
TEST(Litmus, keeps_stores_before_loads_behind_a_fence) {
  expect_never({body({kSetX, kFullFence, get_y(as::s2)}), body({kSetY, kFullFence, get_x(as::s2)})},
               both_missed);
}
TEST(Litmus, keeps_the_order_of_atomics_with_aq_and_rl) {
  constexpr as::Word kAcquireRelease = 3u << 25;
  auto const swap = [](as::Reg at) { return as::amoswap(3, as::t0, as::t5, at) | kAcquireRelease; };
  auto const reserve = [](as::Reg to, as::Reg at) { return as::lr(3, to, at) | kAcquireRelease; };
  expect_never({body({swap(as::s0), get_y(as::s2)}), body({swap(as::s1), get_x(as::s2)})},
               both_missed);
  expect_never({body({kSetX, reserve(as::s2, as::s1)}), body({kSetY, reserve(as::s2, as::s0)})},
               both_missed);
}

// Message passing: data, then a flag.
bool flag_without_data(LitmusOutcome const& o) { return o[2] == 1 && o[3] == 0; }

TEST(Litmus, passes_messages) {
  expect_never(
      {body({kSetX, kStoresFirst, kSetY}), body({get_y(as::s2), kLoadsFirst, get_x(as::s3)})},
      flag_without_data);
  constexpr as::Word kRelease = 1u << 25, kAcquire = 1u << 26;
  expect_never({body({kSetX, as::amoswap(3, as::t0, as::t5, as::s1) | kRelease}),
                body({as::amo(0, 3, as::s2, as::zero, as::s1) | kAcquire, get_x(as::s3)})},
               flag_without_data);
  tell_how_often("a flag without its data",
                 {body({kSetX, kSetY}), body({get_y(as::s2), get_x(as::s3)})}, flag_without_data);
}

// Load buffering: values from the future.
bool both_early(LitmusOutcome const& o) { return o[0] == 1 && o[2] == 1; }

TEST(Litmus, reads_nothing_from_the_future) {
  expect_never({body({get_x(as::s2), kFullFence, kSetY}), body({get_y(as::s2), kFullFence, kSetX})},
               both_early);
  tell_how_often("stores before loads",
                 {body({get_x(as::s2), kSetY}), body({get_y(as::s2), kSetX})}, both_early);
}

TEST(Litmus, never_goes_back_at_one_place) {
  expect_never({body({kSetX}), body({get_x(as::s2), get_x(as::s3)})},
               [](LitmusOutcome const& o) { return o[2] == 1 && o[3] == 0; });
  // Nor does a store that was seen end up below one that its hart had seen before.
  expect_never({body({kSetX}), body({get_x(as::s2), kSetX2})},
               [](LitmusOutcome const& o) { return o[2] == 1 && o[8] == 1; });
}

// 2+2W: two places, each written by both.
bool first_ones_last(LitmusOutcome const& o) { return o[8] == 1 && o[9] == 1; }

TEST(Litmus, keeps_the_order_of_stores_to_two_places) {
  expect_never({body({kSetX, kStoresFirst, kSetY2}), body({kSetY, kStoresFirst, kSetX2})},
               first_ones_last);
  tell_how_often("the first stores last", {body({kSetX, kSetY2}), body({kSetY, kSetX2})},
                 first_ones_last);
}

// IRIW: two write, two read in opposite orders. Four harts seldom all run on a small host.
TEST(Litmus, shows_stores_to_all_in_one_order) {
  std::vector<SmpCode> const bodies{body({kSetX}), body({kSetY}),
                                    body({get_x(as::s2), kFullFence, get_y(as::s3)}),
                                    body({get_y(as::s2), kFullFence, get_x(as::s3)})};
  auto const outcomes = outcomes_of({bodies, smp_rounds(50)}, Engine::translator);
  tell(outcomes, bodies.size(), Engine::translator);
  EXPECT_EQ(count(outcomes,
                  [](LitmusOutcome const& o) {
                    return o[4] == 1 && o[5] == 0 && o[6] == 1 && o[7] == 0;
                  }),
            0u);
}

}  // namespace
}  // namespace mutirao::machine
