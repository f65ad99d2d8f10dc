// Of a channel: each value is received once or is still there, whoever waits, gives up or closes.
#include <gtest/gtest.h>

#include "mutirao/threads/channel.h"

#include "hunt.h"
#include "machine.h"
#include "park_access.h"

namespace mutirao::threads {
namespace {

using model::execution;
using model::flaw;
using model::machine;

std::vector<std::string_view> const kChannelSources{"channel.cc", "spinlock.h"};

/// What became of the values 1, 2, ... of one channel.
struct traffic {
  channel<int> line{1};
  int sent = 0;
  int received = 0;
  int gave_up = 0;
  int found_closed = 0;

  void send(int value, Deadline deadline = Deadline::never()) {
    note(line.send(std::move(value), deadline), sent, value);
  }
  void receive(Deadline deadline = Deadline::never()) {
    auto value = line.receive(deadline);
    note(value, received, value ? *value : 0);
  }
  int left() { return line.try_receive().value_or(0); }

 private:
  template <class Outcome>
  void note(Outcome const& outcome, int& sum, int value) {
    if (outcome) {
      sum += value;
    } else {
      ++(outcome.error().fault == Fault::closed ? found_closed : gave_up);
    }
  }
};

void work_on_all(execution& run, machine& some, unsigned lwps) {
  for (unsigned i = 0; i < lwps; ++i) run.thread("lwp", [&, i] { some.work(i); });
}

void let_time_pass(machine& some) {
  for (auto* due = some.processor(0).timers.take_due(TimePoint{3s}); due != nullptr;) {
    auto* const next = due->next_fired;
    some.state.ready(park_access::owner(*due->token));
    due = next;
  }
}

TEST(ChannelModel, a_value_is_handed_over_or_found) {
  auto const proof = model::prove(
      "channel",
      [](execution& run) {
        auto& some = run.keep<machine>(2u);
        auto& all = run.keep<traffic>();
        some.start(0, "receiver", [&] {
          all.receive();
          all.receive();
        });
        some.start(1, "sender", [&] {
          all.send(1);
          all.send(2);
        });
        work_on_all(run, some, 2);
        run.finally([&] { MODEL_REQUIRE(some.all_ended() && all.received == 3 && all.sent == 3); });
      },
      kChannelSources);
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  EXPECT_TRUE(proof.found("spin_unlock", flaw::lost));
}

TEST(ChannelModel, a_receiver_that_gives_up_takes_no_value_with_it) {
  auto const proof =
      model::prove("channel, receiver and timer",
                   [](execution& run) {
                     auto& some = run.keep<machine>(3u);
                     auto& all = run.keep<traffic>();
                     some.start(0, "receiver", [&] { all.receive(Deadline::at(TimePoint{2s})); });
                     some.start(1, "sender", [&] { all.send(1); });
                     some.start(2, "clock", [&] { let_time_pass(some); });
                     work_on_all(run, some, 3);
                     run.finally([&] {
                       MODEL_REQUIRE(some.all_ended() && all.sent == 1);
                       MODEL_REQUIRE(all.received + all.gave_up == 1);
                       MODEL_REQUIRE(all.received + all.left() == 1);
                     });
                   },
                   {}, {.executions_max = model::unless_all(100'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

TEST(ChannelModel, a_sender_that_gives_up_keeps_its_value) {
  auto const proof =
      model::prove("channel, sender and timer",
                   [](execution& run) {
                     auto& some = run.keep<machine>(3u);
                     auto& all = run.keep<traffic>();
                     bool const fits = all.line.try_send(4);
                     MODEL_REQUIRE(fits);
                     some.start(0, "sender", [&] { all.send(1, Deadline::at(TimePoint{2s})); });
                     some.start(1, "receiver", [&] { all.receive(); });
                     some.start(2, "clock", [&] { let_time_pass(some); });
                     work_on_all(run, some, 3);
                     run.finally([&] {
                       MODEL_REQUIRE(some.all_ended() && all.received == 4);
                       MODEL_REQUIRE(all.sent + all.gave_up == 1);
                       MODEL_REQUIRE(all.left() == all.sent);
                     });
                   },
                   {}, {.executions_max = model::unless_all(100'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

TEST(ChannelModel, a_close_ends_every_wait_and_loses_nothing) {
  auto const proof = model::prove("channel, close",
                                  [](execution& run) {
                                    auto& some = run.keep<machine>(3u);
                                    auto& all = run.keep<traffic>();
                                    some.start(0, "receiver", [&] { all.receive(); });
                                    some.start(1, "sender", [&] { all.send(1); });
                                    some.start(2, "closer", [&] { all.line.close(); });
                                    work_on_all(run, some, 3);
                                    run.finally([&] {
                                      MODEL_REQUIRE(some.all_ended());
                                      MODEL_REQUIRE(all.received + all.left() == all.sent);
                                    });
                                  },
                                  {}, {.executions_max = model::unless_all(100'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

}  // namespace
}  // namespace mutirao::threads
