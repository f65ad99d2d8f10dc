#include "chores.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

namespace soak {

using namespace mutirao;
using namespace mutirao::threads;

namespace {
using std::chrono::microseconds;

void insist(Result<void> const& done, char const* what) {
  if (done) return;
  std::fprintf(stderr, "soak: broken: %s: %s\n", what, done.error().what.c_str());
  std::abort();
}

void insist(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "soak: broken: %s\n", what);
  std::abort();
}

Duration some_time(Random& random, std::uint64_t most_us) {
  return microseconds{below(random, most_us)};
}

void wait(Random& random) { static_cast<void>(sleep_for(some_time(random, 2000))); }

void give_way(Random& random) {
  for (auto i = below(random, 50); i > 0; --i) i % 2 == 0 ? yield() : checkpoint();
}

Result<std::size_t> read_some(pollable& from, MutableBytes into) {
  for (;;) {
    auto const got = ::read(from.descriptor(), into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (last_error_number() != EAGAIN)
      return std::unexpected{base::system_error(last_error_number(), "read")};
    MUT_TRY(from.wait_readable(within(5ms)));
  }
}

Result<void> write_all(pollable& to, ByteView from) {
  while (!from.empty()) {
    auto const put = ::send(to.descriptor(), from.data(), from.size(), MSG_NOSIGNAL);
    if (put >= 0) {
      from = from.subspan(static_cast<std::size_t>(put));
    } else if (last_error_number() != EAGAIN) {
      return std::unexpected{base::system_error(last_error_number(), "write")};
    } else {
      MUT_TRY(to.wait_writable(within(5ms)));
    }
  }
  return {};
}

/// A stream whose bytes must come in order, until one side closes it or loses patience.
void talk(Random& random) {
  std::array<int, 2> ends{};
  insist(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0,
         "a pair of sockets could not be had");
  pollable near{ends[0]};
  pollable far{ends[1]};
  auto const size = 1 + below(random, 300'000);
  bool const cut = below(random, 4) == 0;
  auto const cut_after = some_time(random, 1000);
  scope both;
  both.spawn("writer", [&]() -> Result<void> {
    Bytes part(10'007);
    for (std::size_t at = 0; at < size; at += part.size()) {
      for (std::size_t i = 0; i < part.size(); ++i)
        part[i] = static_cast<std::uint8_t>((at + i) % 251);
      MUT_TRY(write_all(near, part));
    }
    ::shutdown(near.descriptor(), SHUT_WR);
    return {};
  });
  both.spawn("reader", [&]() -> Result<void> {
    Bytes part(4'096);
    for (std::size_t at = 0;;) {
      auto const got = MUT_TRY(read_some(far, part));
      if (got == 0) return {};
      for (std::size_t i = 0; i < got; ++i, ++at) insist(part[i] == at % 251, "a stream's order");
    }
  });
  if (cut) {
    static_cast<void>(sleep_for(cut_after));
    far.interrupt();
  }
  static_cast<void>(both.join());
}

void use_file(Garden& garden, Random& random) {
  auto const block = below(random, 64);
  Bytes content(4096, static_cast<std::uint8_t>(block));
  std::array<iovec, 1> const part{iovec{content.data(), content.size()}};
  insist(write_file(garden.file, part, block * content.size()), "a write");
  if (below(random, 8) == 0) insist(sync_file(garden.file), "a sync");
  if (below(random, 4) == 0)
    ::posix_fadvise(garden.file, static_cast<off_t>(block * content.size()), 4096,
                    POSIX_FADV_DONTNEED);
  Bytes back(4096);
  auto const got = read_file(garden.file, back, block * content.size());
  if (!got) insist(Result<void>{std::unexpected{got.error()}}, "a read");
  auto const [at, expected] = std::ranges::mismatch(back, content);
  if (at == back.end()) return;
  std::fprintf(stderr, "soak: broken: of a read that gave %zu bytes, byte %td is %u and not %u\n",
               *got, at - back.begin(), *at, *expected);
  std::abort();
}

void block(Random& random) {
  auto const us = static_cast<useconds_t>(below(random, 1500));
  if (below(random, 40) == 0) {
    ::usleep(15'000);  // not announced
  } else {
    blocking([us] { ::usleep(us); });
  }
}

void carry_an_exception(Random& random) {
  auto const number = static_cast<int>(below(random, 1000));
  try {
    try {
      throw number;
    } catch (int) {
      wait(random);
      errno = number;
      yield();
      insist(last_error_number() == number, "errno after a wait");
      throw;
    }
  } catch (int caught) {
    insist(caught == number, "an exception after a wait");
  }
}

void exchange(Random& random) {
  channel<std::uint64_t> items{below(random, 4)};
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  auto const count = below(random, 200);
  scope both;
  both.spawn("sender", [&]() -> Result<void> {
    for (std::uint64_t i = 1; i <= count; ++i) {
      MUT_TRY(items.send(std::uint64_t{i}));
      sent += i;
    }
    items.close();
    return {};
  });
  both.spawn("receiver", [&]() -> Result<void> {
    for (;;) {
      auto item = items.receive();
      if (!item && item.error().fault == Fault::closed) return {};
      received += MUT_TRY(std::move(item));
    }
  });
  if (both.join()) insist(sent == received, "what went through a channel");
}

void have_helpers(Garden& garden, Random& random, int depth) {
  scope helpers{below(random, 3) == 0 ? within(some_time(random, 5000)) : Deadline::never()};
  for (auto i = 1 + below(random, 6); i > 0; --i) {
    auto const size = below(random, 2) == 0 ? stack_size::standard : stack_size::large;
    helpers.spawn("helper",
                  [&garden, seed = random(), depth] { do_chore(garden, seed, depth - 1); },
                  {.stack = size, .isolated = below(random, 2) == 0});
  }
  if (below(random, 3) == 0) {
    wait(random);
    helpers.request_stop();
  }
  static_cast<void>(helpers.join());
}
}  // namespace

std::uint64_t below(Random& random, std::uint64_t end) { return end == 0 ? 0 : random() % end; }

void do_chore(Garden& garden, std::uint64_t seed, int depth) {
  Random random{seed};
  for (auto left = 1 + below(random, 4); left > 0 && !stop_requested(); --left) {
    switch (below(random, depth > 0 ? 8 : 7)) {
      case 0:
        wait(random);
        break;
      case 1:
        give_way(random);
        break;
      case 2:
        talk(random);
        break;
      case 3:
        use_file(garden, random);
        break;
      case 4:
        block(random);
        break;
      case 5:
        carry_an_exception(random);
        break;
      case 6:
        exchange(random);
        break;
      default:
        have_helpers(garden, random, depth);
    }
  }
}

}  // namespace soak
