// What 10,000 threads cost that wait for sockets on which nothing comes.
#include <array>
#include <cstdlib>
#include <sys/resource.h>
#include <sys/socket.h>

#include "mutirao/threads/io.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"

namespace bench {

namespace {
namespace threads = mutirao::threads;

double idle_ms() {
  rlimit many{};
  ::getrlimit(RLIMIT_NOFILE, &many);
  many.rlim_cur = many.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &many);
  double spent_s = 0;
  threads::runtime one{};
  one.run([&] {
    threads::scope all;
    for (int i = 0; i < 5'000; ++i) {
      std::array<int, 2> ends{-1, -1};
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0) std::abort();
      for (int const end : ends) {
        all.spawn("parked", [socket = threads::pollable{end}]() mutable {
          static_cast<void>(socket.wait_writable(mutirao::Deadline::never()));  // at once
          static_cast<void>(socket.wait_readable(mutirao::Deadline::never()));
        });
      }
    }
    static_cast<void>(threads::sleep_for(std::chrono::seconds{1}));
    double const before = process_cpu_s();
    static_cast<void>(threads::sleep_for(std::chrono::seconds{10}));
    spent_s = process_cpu_s() - before;
    all.request_stop();
    static_cast<void>(all.join());
  });
  return spent_s * 1000;
}

Contribution const contributed{[] {
  return std::vector<Row>{{.name = "idle for 10 s, 10,000 parked sockets",
                           .peer = "",
                           .unit = "ms",
                           .ours =
                               [] {
                                 rlimit most{};
                                 ::getrlimit(RLIMIT_NOFILE, &most);
                                 if (most.rlim_max < 11'000)
                                   throw Missing{"11,000 descriptors", "ulimit -Hn 11000"};
                                 return in_child(idle_ms);
                               },
                           .judge = Judge::ours_at_most,
                           .gate = 5,
                           .aim = 1,
                           .rounds_max = 1}};
}};
}  // namespace

}  // namespace bench
