#include "mutirao/threads/io.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/threads/scope.h"
#include "mutirao/threads/signals.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

struct socket_pair {
  socket_pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    near = ends[0];
    far = ends[1];
  }
  int near;
  int far;
};

Result<std::size_t> read_from(pollable& from, MutableBytes into,
                              Deadline deadline = Deadline::never()) {
  for (;;) {
    auto const got = ::read(from.descriptor(), into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (last_error_number() != EAGAIN)
      return std::unexpected{base::system_error(last_error_number(), "read")};
    MUT_TRY(from.wait_readable(deadline));
  }
}

Result<void> write_to(pollable& to, ByteView from) {
  while (!from.empty()) {
    auto const put = ::write(to.descriptor(), from.data(), from.size());
    if (put >= 0) {
      from = from.subspan(static_cast<std::size_t>(put));
    } else if (last_error_number() != EAGAIN) {
      return std::unexpected{base::system_error(last_error_number(), "write")};
    } else {
      MUT_TRY(to.wait_writable(Deadline::never()));
    }
  }
  return {};
}

TEST(Pollable, carries_a_stream_through_many_waits) {
  for (unsigned const processors : {1u, 2u}) {
    run_real(processors, [] {
      socket_pair const pair;
      pollable near{pair.near};
      pollable far{pair.far};
      constexpr std::size_t kTotal = 20'000'000;
      scope inner;
      inner.spawn("writer", [&]() -> Result<void> {
        Bytes part(70'001);
        for (std::size_t at = 0; at < kTotal; at += part.size()) {
          for (std::size_t i = 0; i < part.size(); ++i)
            part[i] = static_cast<std::uint8_t>((at + i) % 251);
          MUT_TRY(write_to(near, part));
        }
        ::shutdown(near.descriptor(), SHUT_WR);
        return {};
      });
      inner.spawn("reader", [&]() -> Result<void> {
        Bytes part(50'000);
        std::size_t at = 0;
        for (;;) {
          auto const got = MUT_TRY(read_from(far, part));
          if (got == 0) break;
          for (std::size_t i = 0; i < got; ++i, ++at) {
            if (part[i] != at % 251) return fail(Fault::corrupt, "the stream is out of order");
          }
        }
        EXPECT_GE(at, kTotal);
        return {};
      });
      auto const joined = inner.join();
      EXPECT_TRUE(joined) << joined.error().what;
    });
  }
}

TEST(Pollable, passes_a_byte_back_and_forth) {
  run_real(2, [] {
    socket_pair const pair;
    pollable near{pair.near};
    pollable far{pair.far};
    scope inner;
    auto const play = [](pollable& end, bool first) -> Result<void> {
      Bytes ball{0};
      for (int i = 0; i < 2000; ++i) {
        if (first) MUT_TRY(write_to(end, ball));
        EXPECT_EQ(MUT_TRY(read_from(end, ball)), 1u);
        if (!first) MUT_TRY(write_to(end, ball));
      }
      return {};
    };
    inner.spawn("near", [&] { return play(near, true); });
    inner.spawn("far", [&] { return play(far, false); });
    EXPECT_TRUE(inner.join());
  });
}

TEST(Pollable, ends_waits_by_deadline_stop_and_interrupt) {
  run_real(2, [] {
    socket_pair const pair;
    pollable near{pair.near};
    pollable const far{pair.far};
    Bytes one(1);
    EXPECT_EQ(read_from(near, one, within(1ms)).error().fault, Fault::timed_out);
    {
      scope inner;
      inner.spawn("reader",
                  [&] { EXPECT_EQ(read_from(near, one).error().fault, Fault::cancelled); });
      EXPECT_TRUE(sleep_for(1ms));
      inner.request_stop();
      EXPECT_TRUE(inner.join());
    }
    scope inner;
    inner.spawn("reader", [&] { EXPECT_EQ(read_from(near, one).error().fault, Fault::closed); });
    EXPECT_TRUE(sleep_for(1ms));
    near.interrupt();
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(near.wait_readable(Deadline::never()).error().fault, Fault::closed);
    EXPECT_EQ(near.wait_readable(Deadline::never()).error().fault, Fault::closed);
  });
}

TEST(Pollable, loses_no_edge_to_a_deadline) {
  run_real(2, [] {
    socket_pair const pair;
    pollable near{pair.near};
    pollable far{pair.far};
    scope inner;
    constexpr int kBytes = 2000;
    inner.spawn("impatient reader", [&] {
      Bytes one(1);
      for (int got = 0; got < kBytes;) {
        if (read_from(near, one, within(std::chrono::microseconds{got % 40}))) ++got;
      }
    });
    inner.spawn("writer", [&]() -> Result<void> {
      Bytes const one(1);
      for (int i = 0; i < kBytes; ++i) {
        MUT_TRY(write_to(far, one));
        if (i % 16 == 0) MUT_TRY(sleep_for(20us));
      }
      return {};
    });
    EXPECT_TRUE(inner.join());
  });
}

class FileCalls : public ::testing::TestWithParam<bool> {
 protected:
  FileCalls() {
    std::string name = "/tmp/mutirao-threads-XXXXXX";
    file_ = ::mkstemp(name.data());
    ::unlink(name.c_str());
  }
  ~FileCalls() override { ::close(file_); }

  void run(std::move_only_function<void()> body) const {
    runtime real{{.processors = 2, .use_io_uring = GetParam()}};
    real.run(std::move(body));
  }
  void forget_cache() const {
    ::fsync(file_);
    ::posix_fadvise(file_, 0, 0, POSIX_FADV_DONTNEED);
  }
  int file_ = -1;
};
INSTANTIATE_TEST_SUITE_P(Ways, FileCalls, ::testing::Bool(),
                         [](auto const& info) { return info.param ? "ring" : "spare_lwps"; });

TEST_P(FileCalls, read_back_what_was_written) {
  run([this] {
    Bytes content(1'000'000);
    for (std::size_t i = 0; i < content.size(); ++i)
      content[i] = static_cast<std::uint8_t>(i * 13 + i / 257);
    std::array<iovec, 3> const parts{iovec{content.data(), 10}, iovec{content.data() + 10, 0},
                                     iovec{content.data() + 10, content.size() - 10}};
    ASSERT_TRUE(write_file(file_, parts, 5));
    ASSERT_TRUE(sync_file(file_));
    for (bool const cached : {true, false}) {
      if (!cached) forget_cache();
      Bytes back(content.size() + 100);
      EXPECT_EQ(read_file(file_, back, 5), content.size());
      back.resize(content.size());
      EXPECT_EQ(back, content);
    }
  });
}

TEST_P(FileCalls, of_many_threads_run_side_by_side) {
  run([this] {
    Bytes const block(4096, 7);
    scope inner;
    for (std::uint64_t i = 0; i < 64; ++i) {
      inner.spawn("reader and writer", [&, i]() -> Result<void> {
        Bytes back(4096);
        std::array<iovec, 1> const part{
            iovec{const_cast<std::uint8_t*>(block.data()), block.size()}};
        MUT_TRY(write_file(file_, part, i * 4096));
        if (i % 16 == 0) MUT_TRY(sync_file(file_));
        if (i % 8 == 0) forget_cache();
        EXPECT_EQ(MUT_TRY(read_file(file_, back, i * 4096)), 4096u);
        EXPECT_EQ(back, block);
        return {};
      });
    }
    auto const joined = inner.join();
    EXPECT_TRUE(joined) << joined.error().what;
  });
}

TEST_P(FileCalls, fail_with_the_reason) {
  run([] {
    Bytes one(1);
    EXPECT_FALSE(read_file(-1, one, 0));
    std::array<iovec, 1> const part{iovec{one.data(), 1}};
    EXPECT_FALSE(write_file(-1, part, 0));
    EXPECT_FALSE(sync_file(-1));
  });
}

TEST(SignalSet, tells_which_signal_arrived) {
  signal_set signals{SIGUSR1, SIGHUP};
  run_real(2, [&] {
    EXPECT_EQ(signals.wait(within(1ms)).error().fault, Fault::timed_out);
    scope inner;
    inner.spawn("waiter", [&] { EXPECT_EQ(signals.wait(), SIGHUP); });
    EXPECT_TRUE(sleep_for(1ms));
    ::kill(::getpid(), SIGHUP);
    EXPECT_TRUE(inner.join());
    ::kill(::getpid(), SIGUSR1);
    EXPECT_EQ(signals.wait(), SIGUSR1);
  });
}

}  // namespace
}  // namespace mutirao::threads
