// What test_gdb.py looks at: threads that wait in functions with names, and then a stop.
#include <csignal>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

namespace threads = mutirao::threads;

[[gnu::noinline]] void waits_for_a_number(threads::channel<int>& numbers, int depth) {
  if (depth > 0) {
    waits_for_a_number(numbers, depth - 1);
  } else {
    static_cast<void>(numbers.receive());
  }
  asm volatile("");  // so that the call above is no jump
}

int main() {
  threads::runtime runtime{{.processors = 1}};  // so that the ids are as they are looked for
  runtime.run([] {
    threads::channel<int> numbers{1};
    threads::semaphore none{0};
    threads::scope scope;
    scope.spawn("receiver", [&] { waits_for_a_number(numbers, 2); });
    scope.spawn("parent", [&] {
      threads::scope inner;
      inner.spawn("child", [&] { static_cast<void>(none.acquire()); });
      static_cast<void>(inner.join());
    });
    static_cast<void>(threads::sleep_for(std::chrono::milliseconds{100}));
    std::raise(SIGTRAP);
    scope.request_stop();
  });
}
