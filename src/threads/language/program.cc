// What the language keeps for each kernel thread must stay with the user thread that it belongs to,
// whatever the compiler makes of it. test_matrix.py builds this with the whole library at every
// level of optimisation; every wait moves the thread to another LWP.
#include <cerrno>
#include <cfenv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/local.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

namespace threads = mutirao::threads;

namespace {
constexpr int kThreads = 6;
constexpr int kRounds = 60;

void check(bool holds, char const* what, int owner) {
  if (holds) return;
  std::fprintf(stderr, "thread %d: %s\n", owner, what);
  std::_Exit(1);
}

// As the rules of the project have it: what belongs to an LWP is reached by functions that are
// not inlined.
[[gnu::noinline]] void set_error_number(int value) { errno = value; }
[[gnu::noinline]] long lwp_now() { return syscall(SYS_gettid); }
[[gnu::noinline]] long lwp_remembered() {
  thread_local long const number = syscall(SYS_gettid);
  return number;
}

/// The ways to wait, in turn.
class waiter {
 public:
  explicit waiter(int round) : round_{round} {}
  void operator()() {
    switch (round_++ % 4) {
      case 0:
        threads::yield();
        break;
      case 1:
        static_cast<void>(threads::sleep_for(std::chrono::microseconds{1}));
        break;
      case 2: {
        threads::channel<int> empty{1};
        threads::scope inner;
        inner.spawn("sender", [&] { static_cast<void>(empty.send(1)); });
        static_cast<void>(empty.receive());
        static_cast<void>(inner.join());
        break;
      }
      default:
        threads::checkpoint();
    }
  }

 private:
  int round_;
};

void keeps_errno(int owner, waiter& wait) {
  set_error_number(owner);
  wait();
  check(threads::last_error_number() == owner, "errno is another's", owner);
}

void keeps_caught_exceptions(int owner, waiter& wait) {
  try {
    try {
      throw owner;
    } catch (int) {
      wait();
      check(std::current_exception() != nullptr, "lost the exception that it handles", owner);
      try {
        throw std::string{"inner"};
      } catch (std::string const& inner) {
        wait();
        check(inner == "inner", "lost an inner exception", owner);
      }
      wait();
      throw;
    }
  } catch (int caught) {
    check(caught == owner, "caught another's exception", owner);
  }
}

void keeps_exceptions_in_flight(int owner, waiter& wait) {
  struct unwound {
    int owner;
    waiter& wait;
    ~unwound() {
      check(std::uncaught_exceptions() == 1, "sees no exception in flight", owner);
      wait();
      check(std::uncaught_exceptions() == 1, "lost the exception in flight", owner);
    }
  };
  try {
    unwound const guard{owner, wait};
    throw owner;
  } catch (int caught) {
    check(caught == owner, "caught another's exception in flight", owner);
  }
  check(std::uncaught_exceptions() == 0, "sees another's exception in flight", owner);
}

void keeps_rounding(int owner, waiter& wait) {
  int const modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  int const mode = modes[owner % 4];
  check(std::fesetround(mode) == 0, "cannot round", owner);
  double volatile one = 1;
  double volatile three = 3;
  double const before = one / three;
  wait();
  check(std::fegetround() == mode, "rounds as another", owner);
  check(one / three == before, "divides as another", owner);
  std::fesetround(FE_TONEAREST);
}

void keeps_local_values(int owner, waiter& wait, threads::local<int>& mine) {
  auto const id = threads::thread_id();
  *mine = owner;
  wait();
  check(*mine == owner, "a local value is another's", owner);
  check(threads::thread_id() == id, "takes itself for another", owner);
  check(lwp_remembered() == lwp_now(), "a thread_local is that of another LWP", owner);
}

/// As many values as there are registers, and then some.
void keeps_registers(int owner, waiter& wait) {
  long numbers[14];
  double fractions[16];
  for (int i = 0; i < 14; ++i) numbers[i] = owner * 1000L + i;
  for (int i = 0; i < 16; ++i) fractions[i] = owner + i / 16.0;
  auto const [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = numbers;
  double const p = fractions[0] + fractions[15];
  double const q = fractions[1] * fractions[14];
  double const r = fractions[2] - fractions[13];
  wait();
  long const sum = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j +
                   11 * k + 12 * l + 13 * m + 14 * n;
  check(sum == 105 * owner * 1000L + 910, "lost a register", owner);
  check(p == 2 * owner + 15 / 16.0 && q == (owner + 1 / 16.0) * (owner + 14 / 16.0) &&
            r == 2 / 16.0 - 13 / 16.0,
        "lost a floating-point register", owner);
}
}  // namespace

int main() {
  threads::runtime runtime{{.processors = 2, .migrate_always = true}};
  runtime.run([] {
    threads::local<int> mine;
    threads::scope all;
    for (int owner = 1; owner <= kThreads; ++owner) {
      all.spawn("owner", [&, owner] {
        for (int round = 0; round < kRounds; ++round) {
          waiter wait{round};
          keeps_errno(owner, wait);
          keeps_caught_exceptions(owner, wait);
          keeps_exceptions_in_flight(owner, wait);
          keeps_rounding(owner, wait);
          keeps_local_values(owner, wait, mine);
          keeps_registers(owner, wait);
        }
      });
    }
    if (auto const joined = all.join(); !joined) {
      std::fprintf(stderr, "%s\n", joined.error().what.c_str());
      std::_Exit(1);
    }
  });
  std::puts("all stayed with their owners");
}
