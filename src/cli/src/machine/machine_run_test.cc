#include "machine/machine_run.h"

#include <atomic>
#include <functional>

#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::cli {
namespace {

using machine::MachineExit;

/// Runs until it is asked to stop, or powers off.
class PatientMachine final : public machine::Machine {
 public:
  MachineExit run(std::uint64_t, Deadline) override {
    runs.store(true);
    ++times;
    while (!powers_off.load() && threads::sleep_for(1ms)) {
    }
    runs.store(false);
    return {powers_off.load() ? MachineExit::Kind::powered_off : MachineExit::Kind::cancelled};
  }
  Result<void> save(machine::SnapshotSink const&) override { return {}; }
  std::size_t type(std::string_view) override { return 0; }
  void system_request(char) override {}
  machine::Timebase timebase() const override { return machine::Timebase::host; }
  std::uint64_t memory_bytes() const override { return 0; }
  std::uint64_t instructions() const override { return 0; }

  std::atomic<bool> runs{false}, powers_off{false};
  std::atomic<unsigned> times{0};
};

/// A machine that runs on a thread of its own, while `body` does something to it.
MachineExit::Kind end_of(std::function<void(MachineRun&, PatientMachine&)> const& body) {
  MachineExit exit{};
  threads::runtime runtime;
  runtime.run([&] {
    PatientMachine machine;
    MachineRun run;
    threads::scope running;
    running.spawn("machine", [&] { exit = run.run(machine); });
    body(run, machine);
    static_cast<void>(running.join());
  });
  return exit.kind;
}

TEST(MachineRun, lets_a_machine_rest_as_often_as_somebody_wants_and_then_go_on) {
  auto const kind = end_of([](MachineRun& run, PatientMachine& machine) {
    for (unsigned times = 0; times < 3; ++times) {
      EXPECT_TRUE(run.rest([&]() -> Result<void> {
        EXPECT_FALSE(machine.runs.load());
        static_cast<void>(threads::sleep_for(5ms));
        EXPECT_FALSE(machine.runs.load());
        return {};
      }));
      while (!machine.runs.load()) static_cast<void>(threads::sleep_for(1ms));
    }
    machine.powers_off.store(true);
  });
  EXPECT_EQ(kind, MachineExit::Kind::powered_off);
}

TEST(MachineRun, gives_what_was_done_meanwhile_and_refuses_two_at_once) {
  auto const kind = end_of([](MachineRun& run, PatientMachine&) {
    auto const failed = run.rest([&]() -> Result<void> {
      EXPECT_EQ(run.rest([]() -> Result<void> { return {}; }).error().fault, Fault::refused);
      return fail(Fault::exhausted, "the disk is full");
    });
    EXPECT_EQ(failed.error().fault, Fault::exhausted);
    run.end();
  });
  EXPECT_EQ(kind, MachineExit::Kind::cancelled);
}

TEST(MachineRun, ends_a_machine_that_rests_without_letting_it_run_again) {
  unsigned times = 0;
  auto const kind = end_of([&](MachineRun& run, PatientMachine& machine) {
    while (!machine.runs.load()) static_cast<void>(threads::sleep_for(1ms));
    EXPECT_TRUE(run.rest([&]() -> Result<void> {
      run.end();
      EXPECT_TRUE(run.ending());
      return {};
    }));
    static_cast<void>(threads::sleep_for(5ms));
    times = machine.times.load();
  });
  EXPECT_EQ(kind, MachineExit::Kind::cancelled);
  EXPECT_EQ(times, 1u);
}

TEST(MachineRun, says_that_a_machine_has_ended_in_place_of_resting) {
  end_of([](MachineRun& run, PatientMachine& machine) {
    machine.powers_off.store(true);
    while (machine.times.load() == 0 || machine.runs.load())
      static_cast<void>(threads::sleep_for(1ms));
    static_cast<void>(threads::sleep_for(5ms));
    auto const rested = run.rest([]() -> Result<void> { return {}; });
    EXPECT_EQ(rested.error().fault, Fault::refused);
  });
}

}  // namespace
}  // namespace mutirao::cli
