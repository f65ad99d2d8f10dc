// Goal: a thread that waits for several channels takes exactly what it was told it took, misses
// nothing, and neglects none of them.
#include "mutirao/threads/select.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/latch.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "everywhere.h"

namespace mutirao::threads {
namespace {

TEST(Select, takes_what_is_there_and_leaves_the_rest) {
  everywhere([] {
    channel<int> numbers{1};
    channel<int> empty{1};
    EXPECT_TRUE(numbers.try_send(7));
    std::optional<int> a;
    std::optional<int> b;
    auto const chosen = select({receive_from(empty, a), receive_from(numbers, b)});
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->index, 1u);
    EXPECT_FALSE(chosen->closed);
    EXPECT_EQ(a, std::nullopt);
    EXPECT_EQ(b, 7);
    EXPECT_EQ(numbers.try_receive(), std::nullopt);
  });
}

TEST(Select, sends_one_of_two_values) {
  everywhere([] {
    channel<std::unique_ptr<int>> full{1};
    channel<std::unique_ptr<int>> free{1};
    EXPECT_TRUE(full.try_send(std::make_unique<int>(0)));
    auto a = std::make_unique<int>(1);
    auto b = std::make_unique<int>(2);
    auto const chosen = select({send_to(full, a), send_to(free, b)});
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->index, 1u);
    EXPECT_NE(a, nullptr);
    EXPECT_EQ(b, nullptr);
    EXPECT_EQ(**free.try_receive(), 2);
  });
}

TEST(Select, waits_for_the_first_that_can_go_on) {
  everywhere([] {
    channel<int> in{1};
    channel<int> out{1};
    EXPECT_TRUE(out.try_send(0));
    latch received{1};
    scope inner;
    inner.spawn("selector", [&]() -> Result<void> {
      std::optional<int> got;
      int sent = 5;
      EXPECT_EQ(MUT_TRY(select({receive_from(in, got), send_to(out, sent)})).index, 0u);
      EXPECT_EQ(got, 3);
      received.count_down();
      EXPECT_EQ(MUT_TRY(select({receive_from(in, got), send_to(out, sent)})).index, 1u);
      return {};
    });
    yield();
    EXPECT_TRUE(in.send(3));
    EXPECT_TRUE(received.wait());
    EXPECT_EQ(out.try_receive(), 0);
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(out.try_receive(), 5);
  });
}

TEST(Select, tells_of_closed_channels_and_moves_nothing) {
  everywhere([] {
    channel<std::unique_ptr<int>> in{1};
    channel<std::unique_ptr<int>> out{1};
    EXPECT_TRUE(out.try_send(nullptr));
    scope inner;
    inner.spawn("selector", [&]() -> Result<void> {
      std::optional<std::unique_ptr<int>> got;
      auto const receive = MUT_TRY(select({receive_from(in, got)}));
      EXPECT_TRUE(receive.closed);
      EXPECT_EQ(got, std::nullopt);
      auto kept = std::make_unique<int>(1);
      auto const send = MUT_TRY(select({send_to(out, kept)}));
      EXPECT_TRUE(send.closed);
      EXPECT_NE(kept, nullptr);
      return {};
    });
    yield();
    in.close();
    yield();
    out.close();
    EXPECT_TRUE(inner.join());
  });
}

TEST(Select, receives_what_was_sent_before_a_close) {
  everywhere([] {
    channel<int> in{2};
    EXPECT_TRUE(in.try_send(1));
    in.close();
    in.close();
    EXPECT_TRUE(in.closed());
    std::optional<int> got;
    EXPECT_FALSE(select({receive_from(in, got)})->closed);
    EXPECT_EQ(got, 1);
    EXPECT_TRUE(select({receive_from(in, got)})->closed);
    EXPECT_EQ(got, std::nullopt);
  });
}

TEST(Select, ends_at_a_deadline_and_when_stopped) {
  everywhere([] {
    channel<int> a{1};
    channel<int> b{1};
    std::optional<int> got;
    auto const late = select({receive_from(a, got), receive_from(b, got)}, within(1ms));
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    EXPECT_FALSE(try_select({receive_from(a, got), receive_from(b, got)}));
    scope inner;
    inner.spawn("selector", [&] {
      std::optional<int> mine;
      EXPECT_EQ(select({receive_from(a, mine), receive_from(b, mine)}).error().fault,
                Fault::cancelled);
    });
    yield();
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

TEST(Select, delivers_everything_once_beside_plain_receivers) {
  everywhere([] {
    constexpr int kItems = 60;
    channel<int> a{2};
    channel<int> b{3};
    std::atomic<int> senders{4};
    std::vector<std::vector<int>> received(4);
    scope inner;
    for (int sender = 0; sender < 4; ++sender) {
      inner.spawn("sender", [&, sender]() -> Result<void> {
        for (int i = 0; i < kItems; ++i) {
          int value = sender * kItems + i;
          if (sender < 2) {
            MUT_TRY(select({send_to(a, value), send_to(b, value)}));
          } else {
            MUT_TRY((sender == 2 ? a : b).send(int{value}));
          }
        }
        if (--senders == 0) {
          a.close();
          b.close();
        }
        return {};
      });
    }
    for (std::size_t receiver = 0; receiver < 4; ++receiver) {
      inner.spawn("receiver", [&, receiver]() -> Result<void> {
        auto& mine = received[receiver];
        if (receiver >= 2) {
          while (auto item = (receiver == 2 ? a : b).receive()) mine.push_back(*item);
          return {};
        }
        bool a_open = true;
        bool b_open = true;
        while (a_open || b_open) {
          std::optional<int> item;
          auto const chosen =
              MUT_TRY(a_open && b_open ? select({receive_from(a, item), receive_from(b, item)})
                      : a_open         ? select({receive_from(a, item)})
                                       : select({receive_from(b, item)}));
          if (item) mine.push_back(*item);
          if (!chosen.closed) continue;
          (a_open && (!b_open || chosen.index == 0) ? a_open : b_open) = false;
        }
        return {};
      });
    }
    EXPECT_TRUE(inner.join());
    std::vector<int> all;
    for (auto const& mine : received) all.insert(all.end(), mine.begin(), mine.end());
    std::ranges::sort(all);
    std::vector<int> wanted(4 * kItems);
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(all, wanted);
  });
}

TEST(Select, neglects_none_of_those_that_can_go_on) {
  everywhere([] {
    channel<int> a{300};
    channel<int> b{300};
    for (int i = 0; i < 300; ++i) EXPECT_TRUE(a.try_send(int{i}) && b.try_send(int{i}));
    std::size_t chosen_b = 0;
    for (int i = 0; i < 300; ++i) {
      std::optional<int> got;
      chosen_b += select({receive_from(a, got), receive_from(b, got)})->index;
    }
    // Of 300 fair draws fewer than 75 or more than 225 come up once in 10^17 runs.
    EXPECT_GT(chosen_b, 75u);
    EXPECT_LT(chosen_b, 225u);
  });
}

}  // namespace
}  // namespace mutirao::threads
