#include "mutirao/machine/machine.h"

#include <gtest/gtest.h>

#include "mutirao/sim/testing.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "board/memory_map.h"
#include "testing/assembler.h"
#include "testing/disks.h"
#include "testing/files.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;

/// Runs a kernel of a few instructions on a machine in a simulated world.
void with_machine(as::Code const& code, MachineOptions options,
                  std::function<void(Machine&, std::string& console)> const& body) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    std::string console;
    options.kernel = image_of(code.words());
    options.memory_bytes = 16_MiB;
    auto machine = Machine::create(
        std::move(options), [&](std::string_view text) { console += text; }, host.world());
    ASSERT_TRUE(machine) << machine.error().what;
    body(**machine, console);
  });
}

as::Code put_character(char letter) {
  return as::Code{} << as::li(as::t0, board::kUart)
                    << as::li(as::t1, static_cast<unsigned char>(letter)) << as::sb(as::t1, as::t0);
}
as::Code power_off(unsigned code) {
  return as::Code{} << as::li(as::t0, board::kSyscon)
                    << as::li(as::t1, code == 0 ? 0x5555 : code << 16 | 0x3333)
                    << as::sw(as::t1, as::t0);
}
as::Code operator+(as::Code a, as::Code const& b) { return a << b.words(); }
as::Code const kForever{as::j(0)};

TEST(Machine, runs_a_kernel_that_greets_and_goes) {
  with_machine(put_character('h') + put_character('i') + power_off(3), {},
               [](Machine& machine, std::string& console) {
                 MachineExit const exit = machine.run();
                 EXPECT_EQ(exit.kind, MachineExit::Kind::powered_off);
                 EXPECT_EQ(exit.code, 3u);
                 EXPECT_EQ(console, "hi");
                 EXPECT_LT(machine.instructions(), 30u);
               });
}

TEST(Machine, enters_the_kernel_as_sbi_wants_it) {
  // a0 is the hart, a1 a device tree; ecall asks for the version.
  as::Code code;
  code << as::lw(as::s0, as::a1) << as::li(as::t2, 0xEDFE0DD0u | 0xFFFFFFFF00000000u)
       << as::bne(as::s0, as::t2, 0) << as::bne(as::a0, as::zero, 0);
  code << as::li(as::a7, 0x10) << as::li(as::a6, 0) << as::ecall() << as::li(as::t2, 0x02000000)
       << as::bne(as::a1, as::t2, 0);
  with_machine(code + power_off(0), {}, [](Machine& machine, std::string&) {
    EXPECT_EQ(machine.run(1000).kind, MachineExit::Kind::powered_off);
  });
}

TEST(Machine, stops_after_the_instructions_that_it_was_given_and_goes_on_from_there) {
  with_machine(kForever, {}, [](Machine& machine, std::string&) {
    EXPECT_EQ(machine.run(123'456).kind, MachineExit::Kind::instructions);
    EXPECT_EQ(machine.instructions(), 123'456u);
    static_cast<void>(machine.run(44));
    EXPECT_EQ(machine.instructions(), 123'500u);
  });
}

/// Waits for the supervisor timer `ticks` from now, then powers off.
as::Code sleeper(std::uint64_t ticks) {
  as::Code code;
  code << as::csrr(as::s0, 0xC01) << as::li(as::t0, ticks) << as::add(as::s0, as::s0, as::t0);
  code << as::csrw(0x14D, as::s0) << as::li(as::t0, 1 << 5) << as::csrw(0x104, as::t0) << as::wfi();
  return code;
}

TEST(Machine, sleeps_in_the_time_of_the_world_while_its_hart_waits) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    MachineOptions options{.memory_bytes = 16_MiB,
                           .kernel = image_of((sleeper(50'000'000) + power_off(0)).words())};
    auto machine = Machine::create(std::move(options), [](std::string_view) {}, host.world());
    ASSERT_TRUE(machine);
    auto const begin = host.world().clock().now();
    EXPECT_EQ((*machine)->run(Machine::kNoLimit, Deadline::at(begin + 2s)).kind,
              MachineExit::Kind::timed_out);
    EXPECT_EQ(host.world().clock().now() - begin, 2s);
    EXPECT_EQ((*machine)->run().kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(host.world().clock().now() - begin, 5s);
  });
}

TEST(Machine, lets_no_time_pass_outside_when_it_follows_its_instructions) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    MachineOptions options{.memory_bytes = 16_MiB,
                           .kernel = image_of((sleeper(50'000'000) + power_off(0)).words()),
                           .timebase = Timebase::instructions};
    auto machine = Machine::create(std::move(options), [](std::string_view) {}, host.world());
    ASSERT_TRUE(machine);
    auto const begin = host.world().clock().now();
    EXPECT_EQ((*machine)->run().kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(host.world().clock().now(), begin);
  });
}

TEST(Machine, wakes_for_what_is_typed_and_hands_it_on) {
  // Enables the serial port's interrupt and its way through the PLIC, waits, and echoes one byte.
  as::Code code;
  code << as::li(as::s0, board::kUart) << as::li(as::t0, 1) << as::sb(as::t0, as::s0, 1);
  code << as::li(as::s1, board::kPlic + 40) << as::sw(as::t0, as::s1);
  code << as::li(as::s1, board::kPlic + 0x2080) << as::li(as::t0, 1 << 10)
       << as::sw(as::t0, as::s1);
  code << as::li(as::t0, 1 << 9) << as::csrw(0x104, as::t0) << as::wfi();
  code << as::lbu(as::t1, as::s0) << as::sb(as::t1, as::s0);
  with_machine(code + power_off(0), {}, [](Machine& machine, std::string& console) {
    threads::scope scope;
    scope.spawn("typist", [&] {
      EXPECT_TRUE(threads::sleep_for(3s));
      EXPECT_EQ(machine.type("x"), 1u);
    });
    EXPECT_EQ(machine.run().kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(console, "x");
    EXPECT_TRUE(scope.join());
  });
}

TEST(Machine, ends_when_its_thread_is_asked_to_stop) {
  for (as::Code const& code : {kForever, as::Code{as::wfi(), as::j(-4)}}) {
    with_machine(code, {}, [](Machine& machine, std::string&) {
      threads::scope scope;
      scope.spawn("machine", [&] {
        EXPECT_EQ(machine.run(1'000'000'000).kind, MachineExit::Kind::cancelled);
      });
      // No time passes here while somebody computes.
      for (int i = 0; i < 3; ++i) threads::yield();
      scope.request_stop();
      static_cast<void>(scope.join());
    });
  }
}

TEST(Machine, starts_a_second_hart_that_talks_to_the_first) {
  // Hart 1 starts at the entry too and sees its number: it interrupts hart 0, which waits for it.
  as::Code first;
  first << as::li(as::a7, 0x48534D) << as::li(as::a6, 0) << as::li(as::a0, 1)
        << as::auipc(as::a1, 0);
  as::Code rest;
  rest << as::li(as::t0, 2) << as::csrw(0x104, as::t0) << as::wfi() << as::csrr(as::s1, 0x144);
  rest = rest + put_character('0') + power_off(0);
  as::Code second;
  second << as::li(as::a7, 0x735049) << as::li(as::a6, 0) << as::li(as::a0, 1) << as::li(as::a1, 0)
         << as::ecall();
  second = second + put_character('1') + kForever;
  // a1 is made to point behind `rest`.
  auto const distance = static_cast<std::int32_t>(4 + 4 + 4 + rest.size_bytes());
  first << as::addi(as::a1, as::a1, distance) << as::ecall();
  with_machine(first + rest + second, {.cpus = 2}, [](Machine& machine, std::string& console) {
    EXPECT_EQ(machine.run(100'000).kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(console, "10");
  });
}

TEST(Machine, runs_firmware_in_machine_mode_in_place_of_its_own) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    // Only machine mode may read mhartid; fw_dynamic's magic is where a2 points.
    as::Code code;
    code << as::csrr(as::t3, 0xF14) << as::lw(as::t0, as::a2) << as::li(as::t1, 0x4942534F)
         << as::bne(as::t0, as::t1, 0);
    code = code + put_character('f') + power_off(0);
    Bytes firmware;
    for (auto const word : code.words()) put_field(firmware, firmware.size(), word);
    std::string console;
    auto machine = Machine::create(
        {.memory_bytes = 16_MiB, .firmware = firmware},
        [&](std::string_view text) { console += text; }, host.world());
    ASSERT_TRUE(machine) << machine.error().what;
    EXPECT_EQ((*machine)->run(1000).kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(console, "f");
  });
}

TEST(Machine, runs_a_boot_loader_in_supervisor_mode_where_a_kernel_would_be) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    // The tree is where a1 points; the firmware that is built in answers.
    as::Code code;
    code << as::lw(as::t0, as::a1) << as::li(as::t1, 0xFFFFFFFFEDFE0DD0)
         << as::bne(as::t0, as::t1, 0) << as::auipc(as::t0, 0) << as::li(as::t1, 0x80200000)
         << as::bltu(as::t0, as::t1, 0);
    code = code + put_character('l') + power_off(0);
    Bytes loader;
    for (auto const word : code.words()) put_field(loader, loader.size(), word);
    std::string console;
    auto machine = Machine::create(
        {.memory_bytes = 16_MiB, .loader = loader}, [&](std::string_view text) { console += text; },
        host.world());
    ASSERT_TRUE(machine) << machine.error().what;
    EXPECT_EQ((*machine)->run(1000).kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(console, "l");
  });
}

/// A driver of the first disk that fits on a page: asks for sector 3, says 'a', sleeps a second and
/// says 'b', naps until it has the answer, and says the answer's first byte and status.
as::Code reader_of_a_disk() {
  constexpr std::uint64_t kConfig = board::kEcam | 4 << 15, kBar = board::kPciWindow + 0x10000;
  constexpr std::uint64_t kRing = board::kRam + 0x800000, kHeader = kRing + 0x800,
                          kData = kRing + 0x1000, kStatus = kRing + 0xC00;
  as::Code code;
  auto const put = [&](as::Word (*store)(as::Reg, as::Reg, std::int32_t), std::uint64_t address,
                       std::uint64_t value) {
    code << as::li(as::t0, address) << as::li(as::t1, value) << store(as::t1, as::t0, 0);
  };
  auto const descriptor = [&](unsigned number, std::uint64_t address, std::uint64_t size,
                              std::uint64_t flags) {
    put(as::sd, kRing + number * 16, address);
    put(as::sd, kRing + number * 16 + 8, size | flags << 32 | (number + 1ull) << 48);
  };
  put(as::sw, kConfig + 0x10, kBar);
  put(as::sh, kConfig + 4, 6);
  put(as::sb, kBar + 0x14, 3);
  put(as::sw, kBar + 8, 1);
  put(as::sw, kBar + 12, 1);
  put(as::sb, kBar + 0x14, 11);
  put(as::sh, kBar + 0x18, 8);
  put(as::sd, kBar + 0x20, kRing);
  put(as::sd, kBar + 0x28, kRing + 0x100);
  put(as::sd, kBar + 0x30, kRing + 0x400);
  put(as::sh, kBar + 0x1C, 1);
  put(as::sb, kBar + 0x14, 15);
  descriptor(0, kHeader, 16, 1);
  descriptor(1, kData, 512, 3);
  descriptor(2, kStatus, 1, 2);
  put(as::sd, kHeader + 8, 3);
  put(as::sw, kRing + 0x100, 1 << 16);
  put(as::sh, kBar + 0x3000, 0);
  code = code + put_character('a') + sleeper(10'000'000) + put_character('b');
  as::Code nap = sleeper(1'000'000);
  nap << as::li(as::t0, kRing + 0x402) << as::lhu(as::t1, as::t0);
  code = code + nap;
  code << as::beq(as::t1, as::zero, -static_cast<std::int32_t>(nap.size_bytes()));
  code << as::li(as::s0, board::kUart);
  code << as::li(as::t0, kData) << as::lbu(as::t1, as::t0) << as::sb(as::t1, as::s0);
  code << as::li(as::t0, kStatus) << as::lbu(as::t1, as::t0) << as::addi(as::t1, as::t1, '0')
       << as::sb(as::t1, as::s0);
  return code + power_off(0);
}

struct DiskRun {
  std::string console;
  std::uint64_t instructions;
  Duration took;
};

DiskRun run_reader(TroubledSource::Trouble trouble, Timebase timebase) {
  DiskRun result;
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    MachineOptions options{.memory_bytes = 16_MiB,
                           .kernel = image_of(reader_of_a_disk().words()),
                           .timebase = timebase};
    options.disks.push_back(std::make_unique<TroubledSource>(
        std::make_unique<MemoryDisk>(Bytes(8 * 512, 'x')), trouble));
    auto machine = Machine::create(
        std::move(options), [&](std::string_view text) { result.console += text; }, host.world());
    ASSERT_TRUE(machine) << machine.error().what;
    auto const begin = host.world().clock().now();
    EXPECT_EQ((*machine)->run(100'000'000).kind, MachineExit::Kind::powered_off);
    result.took = host.world().clock().now() - begin;
    result.instructions = (*machine)->instructions();
  });
  return result;
}

TEST(Machine, goes_on_while_a_disk_takes_its_time) {
  auto const run = run_reader({.latency = 4s}, Timebase::host);
  EXPECT_EQ(run.console, "abx0");
  EXPECT_GE(run.took, 4s);
  EXPECT_LT(run.took, 4200ms);
}

TEST(Machine, tells_its_guest_that_a_disk_failed_or_did_not_answer) {
  auto const broken = run_reader({.failures = 1}, Timebase::host);
  EXPECT_EQ(broken.console, std::string_view("ab\0001", 4));
  auto const lost = run_reader({.latency = 10h}, Timebase::host);
  EXPECT_EQ(lost.console, std::string_view("ab\0001", 4));
  EXPECT_LT(lost.took, 60s);
}

TEST(Machine, gets_the_answers_of_disks_after_the_same_instruction_when_it_follows_them) {
  auto const quick = run_reader({}, Timebase::instructions);
  auto const slow = run_reader({.latency = 3s}, Timebase::instructions);
  EXPECT_EQ(quick.console, "abx0");
  EXPECT_EQ(slow.console, "abx0");
  EXPECT_EQ(quick.instructions, slow.instructions);
  EXPECT_EQ(slow.took, 3s);
}

TEST(Machine, flushes_its_disks_when_it_is_powered_off) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    auto written = std::make_unique<TroubledSource>(std::make_unique<MemoryDisk>(Bytes(512), true),
                                                    TroubledSource::Trouble{.latency = 1s});
    auto read = std::make_unique<TroubledSource>(std::make_unique<MemoryDisk>(Bytes(512)),
                                                 TroubledSource::Trouble{});
    auto const &first = *written, &second = *read;
    MachineOptions options{.memory_bytes = 16_MiB, .kernel = image_of(power_off(0).words())};
    options.disks.push_back(std::move(written));
    options.disks.push_back(std::move(read));
    auto machine = Machine::create(std::move(options), [](std::string_view) {}, host.world());
    ASSERT_TRUE(machine);
    EXPECT_EQ((*machine)->run().kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(first.calls(), 1u);
    EXPECT_EQ(second.calls(), 0u);  // it is only read
  });
}

TEST(Machine, refuses_what_cannot_be_a_machine) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    auto const fault = [&](MachineOptions options) {
      auto const machine =
          Machine::create(std::move(options), [](std::string_view) {}, host.world());
      return machine ? Fault::cancelled : machine.error().fault;
    };
    Bytes const kernel = image_of({});
    EXPECT_EQ(fault({}), Fault::unsupported);
    EXPECT_EQ(fault({.cpus = 0, .kernel = kernel}), Fault::invalid);
    EXPECT_EQ(fault({.cpus = 17, .kernel = kernel}), Fault::invalid);
    EXPECT_EQ(fault({.memory_bytes = 1000, .kernel = kernel}), Fault::invalid);
    EXPECT_EQ(fault({.memory_bytes = 1_MiB, .kernel = kernel}), Fault::exhausted);
    EXPECT_EQ(fault({.memory_bytes = 8_MiB, .kernel = kernel, .initrd = Bytes(7 << 20)}),
              Fault::exhausted);
    auto const sharing = [&](std::size_t folders, std::string const& tag, Engine engine) {
      MachineOptions options{.kernel = kernel, .engine = engine};
      for (std::size_t i = 0; i < folders; ++i)
        options.shares.push_back({*host.world().disk().open_tree("/"), tag});
      return fault(std::move(options));
    };
    EXPECT_EQ(sharing(1, "tag", Engine::translator), Fault::cancelled);  // it is none
    EXPECT_EQ(sharing(9, "tag", Engine::translator), Fault::invalid);
    EXPECT_EQ(sharing(1, "", Engine::translator), Fault::invalid);
    EXPECT_EQ(sharing(1, std::string(37, 'x'), Engine::translator), Fault::invalid);
    EXPECT_EQ(sharing(1, "tag", Engine::audit), Fault::unsupported);
  });
}

}  // namespace
}  // namespace mutirao::machine
