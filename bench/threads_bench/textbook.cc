// What the textbooks teach: to create, end and switch a user thread, a kernel thread and a process,
// side by side. Kernel threads and processes take turns through two pipes on one CPU, as nothing
// else makes the kernel switch between just these two.
#include <cstdlib>
#include <functional>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"
#include "runtimes.h"

namespace bench {

namespace {
constexpr long kUserThreads = 200'000;
constexpr long kUserSwitches = 1'000'000;
constexpr long kKernelOnes = 2'000;
constexpr long kTurns = 20'000;

double user_create_us() {
  return ours_ns(kUserThreads,
                 [] {
                   mutirao::threads::scope scope;
                   for (long i = 0; i < kUserThreads; ++i) {
                     scope.spawn("child", [] {});
                     static_cast<void>(scope.join());
                   }
                 }) /
         1000;
}

double user_switch_us() {
  return ours_ns(kUserSwitches,
                 [] {
                   mutirao::threads::scope scope;
                   for (int side = 0; side < 2; ++side) {
                     scope.spawn("side", [] {
                       for (long i = 0; i < kUserSwitches / 2; ++i) mutirao::threads::yield();
                     });
                   }
                   static_cast<void>(scope.join());
                 }) /
         1000;
}

double cpu_us_of(int who) {
  rusage used{};
  getrusage(who, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/// CPU microseconds of this process and of its children for each of `count`.
double us_each(long count, std::function<void()> const& work) {
  auto const used = [] { return cpu_us_of(RUSAGE_SELF) + cpu_us_of(RUSAGE_CHILDREN); };
  double const before = used();
  work();
  return (used() - before) / static_cast<double>(count);
}

double kernel_create_us() {
  return us_each(kKernelOnes, [] {
    for (long i = 0; i < kKernelOnes; ++i) std::thread{[] {}}.join();
  });
}

void run_process(std::function<void()> const& work) {
  pid_t const child = ::fork();
  if (child < 0) std::abort();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) std::abort();
}

double process_create_us() {
  return us_each(kKernelOnes, [] {
    for (long i = 0; i < kKernelOnes; ++i) run_process([] {});
  });
}

/// Two sides that wait for each other.
struct Pipes {
  int there[2];
  int back[2];

  Pipes() {
    if (::pipe(there) != 0 || ::pipe(back) != 0) std::abort();
  }
  ~Pipes() {
    for (int const each : {there[0], there[1], back[0], back[1]}) ::close(each);
  }
  static void pass(int from, int to, bool begins) {
    char byte = 0;
    for (long i = 0; i < kTurns; ++i) {
      if (begins && ::write(to, &byte, 1) != 1) std::abort();
      if (::read(from, &byte, 1) != 1) std::abort();
      if (!begins && ::write(to, &byte, 1) != 1) std::abort();
    }
  }
  void near() const { pass(back[0], there[1], true); }
  void far() const { pass(there[0], back[1], false); }
};

double kernel_switch_us() {
  Pipes const pipes;
  return us_each(2 * kTurns, [&] {
    std::thread far{[&] {
      pin_to_cpu_0();
      pipes.far();
    }};
    std::thread near{[&] {
      pin_to_cpu_0();
      pipes.near();
    }};
    near.join();
    far.join();
  });
}

double process_switch_us() {
  Pipes const pipes;
  return us_each(2 * kTurns, [&] {
    std::thread near{[&] {
      pin_to_cpu_0();
      pipes.near();
    }};
    run_process([&] {
      pin_to_cpu_0();
      pipes.far();
    });
    near.join();
  });
}

Row row(char const* name, char const* peer, Run ours, Run theirs) {
  return {.name = name,
          .peer = peer,
          .unit = "us",
          .ours = std::move(ours),
          .theirs = std::move(theirs),
          .judge = Judge::inform};
}

Contribution const textbook_rows{[] {
  return std::vector<Row>{
      row("textbook: create and end", "kernel thread", user_create_us, kernel_create_us),
      row("textbook: create and end", "process", user_create_us, process_create_us),
      row("textbook: switch", "kernel thread", user_switch_us, kernel_switch_us),
      row("textbook: switch", "process", user_switch_us, process_switch_us),
  };
}};
}  // namespace

}  // namespace bench
