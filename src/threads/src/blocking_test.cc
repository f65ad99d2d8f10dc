#include "mutirao/threads/blocking.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

/// A blocking call of the kind that the runtime knows nothing of: it ends when open() is called,
/// and only another LWP can do that.
class gate {
 public:
  void wait() {
    std::unique_lock lock{mutex_};
    opened_.wait(lock, [this] { return open_; });
  }
  void open() {
    {
      std::lock_guard const lock{mutex_};
      open_ = true;
    }
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

TEST(Blocking, does_not_stop_the_other_threads_of_the_process) {
  for (unsigned const processors : {1u, 2u}) {
    run_real(processors, [] {
      gate shut;
      scope inner;
      // More blocked calls than processors: spare LWPs have to take over.
      for (int i = 0; i < 5; ++i) inner.spawn("blocked", [&] { blocking([&] { shut.wait(); }); });
      inner.spawn("opener", [&] {
        for (int i = 0; i < 10; ++i) EXPECT_TRUE(sleep_for(1ms));
        shut.open();
      });
      EXPECT_TRUE(inner.join());
    });
  }
}

TEST(Blocking, keeps_the_thread_on_its_lwp) {
  run_real(1, [] {
    scope inner;
    for (int i = 0; i < 4; ++i) {
      inner.spawn("caller", [] {
        blocking([] {
          auto const before = ::syscall(SYS_gettid);
          ::usleep(2000);
          EXPECT_EQ(::syscall(SYS_gettid), before);
        });
      });
    }
    EXPECT_TRUE(inner.join());
  });
}

TEST(Blocking, passes_results_and_exceptions_on) {
  run_real(1, [] {
    EXPECT_EQ(blocking([] { return 7; }), 7);
    EXPECT_THROW(blocking([] { throw 1; }), int);
    EXPECT_EQ(blocking([] { return blocking([] { return 8; }); }), 8);
    EXPECT_TRUE(sleep_for(10us));
  });
}

TEST(Blocking, may_wake_other_threads_from_inside) {
  run_real(1, [] {
    channel<int> ring{1};
    gate shut;
    scope inner;
    inner.spawn("receiver", [&]() -> Result<void> {
      MUT_TRY(ring.receive());
      shut.open();
      return {};
    });
    EXPECT_TRUE(sleep_for(1ms));
    blocking([&] {
      EXPECT_TRUE(ring.try_send(1));
      shut.wait();
    });
    EXPECT_TRUE(inner.join());
  });
}

TEST(Blocking, waits_with_the_processor_when_no_more_lwps_are_allowed) {
  runtime tight{{.processors = 1, .spare_lwps_max = 1}};
  tight.run([] {
    scope inner;
    std::atomic<int> ended{0};
    for (int i = 0; i < 6; ++i) {
      inner.spawn("blocked", [&] {
        blocking([] { ::usleep(2000); });
        ++ended;
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ended, 6);
    EXPECT_LE(this_runtime_info().lwps, 2u);
  });
}

TEST(Blocking, survives_short_and_long_calls_of_many_threads) {
  run_real(2, [] {
    std::atomic<int> done{0};
    scope inner;
    for (int i = 0; i < 40; ++i) {
      inner.spawn("caller", [&, i] {
        for (int round = 0; round < 30; ++round) {
          blocking([&] {
            if ((i + round) % 10 == 0) ::usleep(300);
          });
          if (round % 7 == 0) yield();
          if (round % 11 == 0) {
            EXPECT_TRUE(sleep_for(20us));
          }
          ++done;
        }
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(done, 40 * 30);
    EXPECT_EQ(this_runtime_info().lwps_blocked, 0u);
  });
}

}  // namespace
}  // namespace mutirao::threads
