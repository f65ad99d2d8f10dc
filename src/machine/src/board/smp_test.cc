// Harts that run at the same time and need each other: locks, code that one writes for another,
// mappings that one takes from another, interrupts, and being started and stopped.
#include "testing/smp_guest.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;
using smp::kShared;

constexpr std::uint64_t kHsmExtensionId = 0x48534D, kFenceExtensionId = 0x52464E43,
                        kIpiExtensionId = 0x735049;

/// Each hart adds one `rounds` times to what `critical` protects; a0 is the lock, a1 the counter.
void expect_exact_sum(unsigned harts, std::uint64_t rounds, Engine engine,
                      std::function<void(SmpCode&)> const& critical) {
  SmpCode start;
  start << as::li(as::a0, kShared) << as::li(as::a1, kShared + 128) << as::li(as::s0, rounds)
        << as::li(as::t5, 1);
  auto const code = smp::program(harts, start, [&](SmpCode& to) {
    to.at("again");
    critical(to);
    to << as::addi(as::s0, as::s0, -1);
    to.to("again", [](auto d) { return as::bne(as::s0, as::zero, d); });
    to.jump("done");
  });
  smp::run(harts, code, engine, [&](GuestMemory const& memory) {
    EXPECT_EQ(memory.load<std::uint64_t>(kShared + 128), harts * rounds);
  });
}

/// Not atomic: what a lock is for.
void increment(SmpCode& to) {
  to << as::ld(as::t3, as::a1) << as::addi(as::t3, as::t3, 1) << as::sd(as::t3, as::a1);
}

void spin_lock_by_swap(SmpCode& to) {
  to.at("taken") << (as::amoswap(2, as::t0, as::t5, as::a0) | 1u << 26);
  to.to("taken", [](auto d) { return as::bne(as::t0, as::zero, d); });
  increment(to);
  to << (as::amoswap(2, as::zero, as::zero, as::a0) | 1u << 25);
}
void spin_lock_by_reservation(SmpCode& to) {
  to.at("taken") << (as::lr(2, as::t0, as::a0) | 1u << 26);
  to.to("taken", [](auto d) { return as::bne(as::t0, as::zero, d); });
  to << as::sc(2, as::t0, as::t5, as::a0);
  to.to("taken", [](auto d) { return as::bne(as::t0, as::zero, d); });
  increment(to);
  to << as::fence() << as::sw(as::zero, as::a0);
}
void ticket_lock(SmpCode& to) {
  to << as::amoadd(2, as::t0, as::t5, as::a0);
  to.at("wait") << as::lw(as::t1, as::a0, 64);
  to.to("wait", [](auto d) { return as::bne(as::t0, as::t1, d); });
  to << as::fence();
  increment(to);
  to << as::fence() << as::addi(as::t1, as::t1, 1) << as::sw(as::t1, as::a0, 64);
}
void compare_and_swap_loop(SmpCode& to) {
  to << as::ld(as::t0, as::a1);
  to.at("again_cas") << as::mv(as::t1, as::t0) << as::addi(as::t2, as::t0, 1)
                     << as::amocas(3, as::t0, as::t2, as::a1);
  to.to("again_cas", [](auto d) { return as::bne(as::t0, as::t1, d); });
}
/// A pair that is wrong when its halves differ; 128 bits at a time.
void compare_and_swap_pair_loop(SmpCode& to) {
  to << as::ld(as::a2, as::a1) << as::ld(as::a3, as::a1, 8);
  to.at("again_pair") << as::mv(as::s2, as::a2) << as::mv(as::s3, as::a3)
                      << as::addi(as::a4, as::a2, 1) << as::addi(as::a5, as::a3, 1)
                      << as::amocas(4, as::a2, as::a4, as::a1);
  to.to("again_pair", [](auto d) { return as::bne(as::a2, as::s2, d); });
  to.to("again_pair", [](auto d) { return as::bne(as::a3, as::s3, d); });
}

TEST(Smp, keeps_locks_and_counters_exact) {
  for (auto const engine : smp::kEngines) {
    auto const rounds = smp_rounds(engine == Engine::translator ? 2'000 : 500);
    for (auto const& way : {spin_lock_by_swap, spin_lock_by_reservation, ticket_lock,
                            compare_and_swap_loop, compare_and_swap_pair_loop})
      expect_exact_sum(2, rounds, engine, way);
    expect_exact_sum(4, rounds / 20, engine, spin_lock_by_reservation);
  }
}

/// Hart 0 writes a function that gives `number` into pages in turn and tells hart 1, which calls
/// it: `tell` and `see` are what each does besides, in a1 the place, when the flag was not yet set
/// and when it was seen.
void expect_new_code(Engine engine, SmpCode const& tell, SmpCode const& see) {
  constexpr GuestAddress kFlag = kShared, kAnswer = kShared + 64, kPages = kShared + 0x10000;
  auto const rounds = smp_rounds(engine == Engine::translator ? 500 : 200);
  SmpCode start;
  start << as::li(as::s0, kFlag) << as::li(as::s1, kAnswer) << as::li(as::s2, 0)
        << as::li(as::s3, rounds);
  auto const code = smp::program(2, start, [&](SmpCode& to) {
    auto const place = [&] {  // a1: each page twice, so that it is written while it holds code
      to << as::srli(as::a1, as::s2, 1) << as::andi(as::a1, as::a1, 63)
         << as::slli(as::a1, as::a1, 12) << as::li(as::t0, kPages)
         << as::add(as::a1, as::a1, as::t0);
    };
    to.at("again") << as::addi(as::s2, as::s2, 1);
    place();
    to.to("caller", [](auto d) { return as::bne(smp::s11, as::zero, d); });
    // li a0, number (of 11 bits); ret
    to << as::andi(as::t0, as::s2, 0x7FF) << as::slli(as::t0, as::t0, 20) << as::li(as::t1, 0x513)
       << as::or_(as::t0, as::t0, as::t1) << as::sw(as::t0, as::a1) << as::li(as::t1, 0x8067)
       << as::sw(as::t1, as::a1, 4) << as::mv(smp::s9, as::a1) << tell << as::fence()
       << as::sd(as::s2, as::s0);
    to.at("unanswered") << as::ld(as::t0, as::s1);
    to.to("unanswered", [](auto d) { return as::bne(as::t0, as::s2, d); });
    to.to("again", [](auto d) { return as::bltu(as::s2, as::s3, d); });
    to.jump("done");
    to.at("caller") << as::ld(as::t0, as::s0);
    to.to("caller", [](auto d) { return as::bltu(as::t0, as::s2, d); });
    to << as::fence() << see << as::jalr(as::ra, as::a1) << as::andi(as::t0, as::s2, 0x7FF);
    to.to("wrong", [](auto d) { return as::bne(as::a0, as::t0, d); });
    to << as::sd(as::s2, as::s1);
    to.to("again", [](auto d) { return as::bltu(as::s2, as::s3, d); });
    to.jump("done");
    to.at("wrong") << as::li(as::t0, kShared + 128) << as::sd(as::s2, as::t0) << smp::power_off();
  });
  smp::run(2, code, engine, [&](GuestMemory const& memory) {
    EXPECT_EQ(memory.load<std::uint64_t>(kShared + 128), 0u) << "the round that ran old code";
    EXPECT_EQ(memory.load<std::uint64_t>(kAnswer), rounds);
  });
}

TEST(Smp, executes_what_another_hart_wrote_after_a_fence_i) {
  SmpCode fence;
  fence << as::fence_i();
  for (auto const engine : smp::kEngines) expect_new_code(engine, {}, fence);
}

TEST(Smp, executes_what_another_hart_wrote_after_a_fence_i_that_this_one_asked_for) {
  SmpCode ask;
  ask << as::fence() << as::li(as::a0, 2) << as::li(as::a1, 0)
      << smp::sbi_call(kFenceExtensionId, 0) << as::mv(as::a1, smp::s9);
  for (auto const engine : smp::kEngines) expect_new_code(engine, ask, {});
}

/// Hart 0 moves a page under hart 1, which reads it all the time; once the call that fences is
/// back, hart 1 must not see the old page any more.
TEST(Smp, sees_no_mapping_that_was_fenced_away_from_elsewhere) {
  constexpr GuestAddress kFlag = kShared, kRoot = kShared + 0x10000, kMiddle = kRoot + 0x1000,
                         kLeaves = kRoot + 0x2000, kPages = kRoot + 0x4000;
  constexpr std::uint64_t kVirtual = 0x5000;
  for (auto const engine : smp::kEngines) {
    auto const rounds = smp_rounds(engine == Engine::translator ? 1'000 : 300);
    SmpCode start;
    start << as::li(as::s0, kFlag) << as::li(as::s2, 0) << as::li(as::s3, rounds);
    auto const code = smp::program(2, start, [&](SmpCode& to) {
      to.to("reader", [](auto d) { return as::bne(smp::s11, as::zero, d); });
      auto const put = [&](GuestAddress at, std::uint64_t value) {
        to << as::li(as::t0, at) << as::li(as::t1, value) << as::sd(as::t1, as::t0);
      };
      put(kRoot + 16, board::kRam >> 2 | 0xCF);  // one leaf of a gigabyte for all RAM
      put(kRoot, kMiddle >> 2 | 1);
      put(kMiddle, kLeaves >> 2 | 1);
      put(kLeaves + 8 * (kVirtual >> 12), kPages >> 2 | 0xC7);
      to << as::fence() << as::li(as::t1, 1) << as::sd(as::t1, as::s0, 64);
      to.at("ready") << as::ld(as::t1, as::s0, 72);
      to.to("ready", [](auto d) { return as::beq(as::t1, as::zero, d); });
      to.at("again") << as::addi(as::s2, as::s2, 1);
      // The next page gets the number, the leaf leads there, and the fence is asked for.
      to << as::andi(as::t0, as::s2, 1) << as::slli(as::t0, as::t0, 12) << as::li(as::t1, kPages)
         << as::add(as::t0, as::t0, as::t1) << as::sd(as::s2, as::t0) << as::srli(as::t0, as::t0, 2)
         << as::ori(as::t0, as::t0, 0xC7) << as::li(as::t1, kLeaves + 8 * (kVirtual >> 12))
         << as::fence() << as::sd(as::t0, as::t1) << as::fence();
      to << as::li(as::a0, 2) << as::li(as::a1, 0) << as::li(as::a2, kVirtual)
         << as::li(as::a3, 4096) << smp::sbi_call(kFenceExtensionId, 1);
      to << as::fence() << as::sd(as::s2, as::s0);
      to.to("again", [](auto d) { return as::bltu(as::s2, as::s3, d); });
      to.jump("done");
      to.at("reader") << as::ld(as::t0, as::s0, 64);
      to.to("reader", [](auto d) { return as::beq(as::t0, as::zero, d); });
      to << as::li(as::t0, 8ull << 60 | kRoot >> 12) << as::csrw(0x180, as::t0) << as::sfence_vma()
         << as::li(as::s4, kVirtual) << as::sd(as::t0, as::s0, 72);
      to.at("read") << as::ld(as::t0, as::s0) << as::fence() << as::ld(as::t1, as::s4);
      to.to("wrong", [](auto d) { return as::bltu(as::t1, as::t0, d); });
      to.to("read", [](auto d) { return as::bltu(as::t0, as::s3, d); });
      to << as::csrw(0x180, as::zero) << as::sfence_vma();
      to.jump("done");
      to.at("wrong") << as::csrw(0x180, as::zero) << as::sfence_vma()
                     << as::li(as::t2, kShared + 128) << as::sd(as::t0, as::t2) << smp::power_off();
    });
    smp::run(2, code, engine, [&](GuestMemory const& memory) {
      EXPECT_EQ(memory.load<std::uint64_t>(kShared + 128), 0u)
          << "the round that read the old page";
      EXPECT_EQ(memory.load<std::uint64_t>(kFlag), rounds);
    });
  }
}

/// A ball that harts throw to the next by interrupts, each asleep until it comes; n harts.
TEST(Smp, loses_no_interrupt_between_harts_that_sleep) {
  for (unsigned const harts : {2u, 3u}) {
    auto const rounds = smp_rounds(500);
    SmpCode start;
    start << as::li(as::s0, rounds) << as::li(as::s1, kShared) << as::li(as::t0, 2)
          << as::csrw(0x104, as::t0) << as::addi(as::s2, smp::s11, 1) << as::li(as::t0, harts);
    start << as::bne(as::s2, as::t0, 8) << as::li(as::s2, 0);
    start << as::li(as::t0, 1);  // s3: the mask of the next hart
    start << as::r_type(0, as::s2, as::t0, 1, as::s3, 0x33);
    auto const code = smp::program(harts, start, [&](SmpCode& to) {
      to.to("throw", [](auto d) { return as::beq(smp::s11, as::zero, d); });
      to.at("catch") << as::wfi() << as::csrr(as::t0, 0x144) << as::andi(as::t0, as::t0, 2);
      to.to("catch", [](auto d) { return as::beq(as::t0, as::zero, d); });
      to << as::li(as::t0, 2) << as::csrrc(as::zero, 0x144, as::t0) << as::ld(as::t1, as::s1)
         << as::addi(as::t1, as::t1, 1) << as::sd(as::t1, as::s1);
      to.at("throw") << as::mv(as::a0, as::s3) << as::li(as::a1, 0)
                     << smp::sbi_call(kIpiExtensionId, 0) << as::addi(as::s0, as::s0, -1);
      to.to("catch", [](auto d) { return as::bne(as::s0, as::zero, d); });
      to.jump("done");
    });
    smp::run(harts, code, Engine::translator, [&](GuestMemory const& memory) {
      EXPECT_GE(memory.load<std::uint64_t>(kShared), rounds * harts - harts);
    });
  }
}

/// Harts interrupt each other while both compute, as fast as they can: all are seen in the end.
TEST(Smp, answers_storms_of_interrupts_and_fences) {
  auto const rounds = smp_rounds(300);
  SmpCode start;
  start << as::li(as::s0, rounds) << as::li(as::s1, kShared);
  auto const code = smp::program(3, start, [&](SmpCode& to) {
    to.address(as::t0, "handler");
    to << as::csrw(0x105, as::t0) << as::li(as::t0, 2) << as::csrw(0x104, as::t0)
       << as::csrrsi(as::zero, 0x100, 2);
    to.at("again") << as::li(as::a0, 7) << as::li(as::a1, 0) << smp::sbi_call(kIpiExtensionId, 0);
    to << as::li(as::a0, 7) << as::li(as::a1, 0) << as::li(as::a2, 0) << as::li(as::a3, 0)
       << smp::sbi_call(kFenceExtensionId, 1);
    to << as::li(as::a0, 7) << as::li(as::a1, 0) << smp::sbi_call(kFenceExtensionId, 0)
       << as::addi(as::s0, as::s0, -1);
    to.to("again", [](auto d) { return as::bne(as::s0, as::zero, d); });
    to.jump("done");
    to.at("handler") << as::csrrw(as::t3, 0x140, as::t3) << as::li(as::t3, 2)
                     << as::csrrc(as::zero, 0x144, as::t3) << as::li(as::t3, 1)
                     << as::amoadd(3, as::zero, as::t3, as::s1) << as::csrrw(as::t3, 0x140, as::t3)
                     << as::sret();
  });
  smp::run(3, code, Engine::translator, [&](GuestMemory const& memory) {
    EXPECT_GE(memory.load<std::uint64_t>(kShared), rounds);
  });
}

/// Harts 0 and 1 both start hart 2 whenever they can, which counts its lives and stops itself.
TEST(Smp, starts_a_hart_once_for_each_time_that_it_stopped) {
  auto const rounds = smp_rounds(300);
  constexpr GuestAddress kStarts = kShared, kLives = kShared + 64;
  SmpCode start;
  start << as::li(as::s0, rounds) << as::li(as::s1, kStarts);
  SmpCode code;
  code << as::mv(smp::s11, as::a0);
  code << as::li(as::a0, 1);
  code.address(as::a1, "starter");
  code << smp::sbi_call(kHsmExtensionId, 0) << as::mv(as::a0, as::zero);
  code.at("starter") << as::mv(smp::s11, as::a0) << start;
  code.at("again") << as::li(as::a0, 2) << as::li(as::a2, 77);
  code.address(as::a1, "life");
  code << smp::sbi_call(kHsmExtensionId, 0);
  code.to("again", [](auto d) { return as::bne(as::a0, as::zero, d); });
  code << as::li(as::t0, 1) << as::amoadd(3, as::zero, as::t0, as::s1)
       << as::addi(as::s0, as::s0, -1);
  code.to("again", [](auto d) { return as::bne(as::s0, as::zero, d); });
  // The last life ends, and then the machine.
  code << as::li(as::t0, 1) << as::amoadd(3, as::t1, as::t0, as::s1)
       << as::li(as::t2, 2 * rounds + 1);
  code.at("rest").to("wait", [](auto d) { return as::beq(as::t1, as::t2, d); });
  code << as::wfi();
  code.jump("rest");
  code.at("wait") << as::li(as::a0, 2) << smp::sbi_call(kHsmExtensionId, 2) << as::li(as::t0, 1);
  code.to("wait", [](auto d) { return as::bne(as::a1, as::t0, d); });
  code << smp::power_off();
  code.at("life") << as::li(as::t0, 77) << as::li(as::t1, 2);
  code.to("odd", [](auto d) { return as::bne(as::a1, as::t0, d); });
  code.to("odd", [](auto d) { return as::bne(as::a0, as::t1, d); });
  code << as::li(as::t1, kLives) << as::ld(as::t0, as::t1) << as::addi(as::t0, as::t0, 1)
       << as::sd(as::t0, as::t1);
  code.at("odd") << smp::sbi_call(kHsmExtensionId, 1) << as::j(0);
  smp::run(3, code, Engine::translator, [&](GuestMemory const& memory) {
    EXPECT_EQ(memory.load<std::uint64_t>(kLives), 2 * rounds);
  });
}

/// Firmware in machine mode: harts interrupt each other by the CLINT, asleep in between.
TEST(Smp, carries_interrupts_of_machine_mode) {
  auto const rounds = smp_rounds(300);
  as::Code firmware;
  // s1: our own MSIP, s2: the other's; hart 0 throws first.
  firmware << as::csrr(as::s0, 0xF14) << as::li(as::t0, 8) << as::csrw(0x304, as::t0)
           << as::li(as::s1, board::kClint) << as::li(as::s3, rounds) << as::li(as::t1, 1)
           << as::slli(as::t2, as::s0, 2) << as::add(as::s2, as::s1, as::t2)
           << as::addi(as::t3, as::s1, 4) << as::sub(as::t3, as::t3, as::t2)
           << as::mv(as::s1, as::s2) << as::mv(as::s2, as::t3);
  firmware << as::beq(as::s0, as::zero, 20)                              // to the throw
           << as::wfi() << as::lw(as::t0, as::s1)                        // catch
           << as::beq(as::t0, as::zero, -8) << as::sw(as::zero, as::s1)  // caught
           << as::sw(as::t1, as::s2) << as::addi(as::s3, as::s3, -1)     // throw
           << as::bne(as::s3, as::zero, -24);
  firmware << as::bne(as::s0, as::zero, 0) << as::li(as::t0, board::kSyscon)
           << as::li(as::t1, 0x5555) << as::sw(as::t1, as::t0) << as::j(0);
  Bytes image;
  for (auto const word : firmware.words()) put_field(image, image.size(), word);
  threads::runtime runtime{{.processors = 1}};
  runtime.run([&] {
    base::SilentLog log;
    auto const world = world::make_real_world(log);
    auto machine = make_machine(
        {.memory_bytes = 16 << 20, .cpus = 2, .firmware = image}, [](std::string_view) {}, *world);
    ASSERT_TRUE(machine) << machine.error().what;
    EXPECT_EQ((*machine)->run(Machine::kNoLimit, Deadline::at(world->clock().now() + 120s)).kind,
              MachineExit::Kind::powered_off);
  });
}

TEST(Smp, begins_exactly_as_many_instructions_as_asked_for_and_goes_on) {
  SmpCode forever;
  auto const code = smp::program(2, forever, [](SmpCode& to) { to.at("on").jump("on"); });
  threads::runtime runtime{{.processors = 1}};
  runtime.run([&] {
    base::SilentLog log;
    auto const world = world::make_real_world(log);
    auto machine = make_machine(
        {.memory_bytes = 32 << 20, .cpus = 2, .kernel = image_of(code.words())},
        [](std::string_view) {}, *world);
    ASSERT_TRUE(machine) << machine.error().what;
    for (std::uint64_t const asked : {1'000u, 3'000'000u, 77u}) {
      auto const before = (*machine)->instructions();
      EXPECT_EQ((*machine)->run(asked).kind, MachineExit::Kind::instructions);
      EXPECT_EQ((*machine)->instructions() - before, asked);
    }
    EXPECT_EQ((*machine)->run(Machine::kNoLimit, Deadline::at(world->clock().now() + 20ms)).kind,
              MachineExit::Kind::timed_out);
  });
}

}  // namespace
}  // namespace mutirao::machine
