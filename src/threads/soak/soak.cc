// threads_soak SECONDS [SEED]: random spawn, cancel, close, migrate, block and file I/O, in one
// runtime after the other, with and without io_uring, with and without forced migration. Fails when
// what the process holds has grown: it compares the most of the second third of the time with the
// most of the last third.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "chores.h"
#include "footprint.h"

namespace soak {

using namespace mutirao;
using namespace mutirao::threads;
using Clock = std::chrono::steady_clock;

namespace {
constexpr int kThreads = 60;    // in a round, helpers not counted
constexpr int kRoundsMax = 40;  // in one runtime

struct Sums {
  std::uint64_t runtimes = 0;
  std::uint64_t rounds = 0;
  std::uint64_t switches = 0;
  std::uint64_t steals = 0;
  std::uint64_t stalls = 0;
  unsigned lwps_most = 0;
};

/// Threads with random work; some rounds end with a stop for all.
void have_round(Garden& garden, Random& random) {
  scope all;
  for (int i = 0; i < kThreads; ++i)
    all.spawn("gardener", [&garden, seed = random()] { do_chore(garden, seed, 2); });
  if (below(random, 3) == 0) {
    static_cast<void>(sleep_for(std::chrono::microseconds{below(random, 5000)}));
    all.request_stop();
  }
  static_cast<void>(all.join());
}

/// One runtime from start to end.
void have_runtime(Garden& garden, Random& random, Clock::time_point until, Sums& sums) {
  runtime one{{.processors = 2,
               .spare_lwps_max = 64,
               .spare_lwp_rest_max = 20ms,
               .use_io_uring = sums.runtimes % 2 == 0,
               .migrate_always = sums.runtimes % 4 >= 2}};
  one.run([&] {
    for (int round = 0; round < kRoundsMax && Clock::now() < until; ++round) {
      have_round(garden, random);
      sums.lwps_most = std::max(sums.lwps_most, this_runtime_info().lwps);
      ++sums.rounds;
    }
    // A thread is out of its scope a moment before its LWP has left its stack.
    for (int look = 0; look < 5000 && this_runtime_info().threads_alive != 1; ++look)
      static_cast<void>(sleep_for(1ms));
    if (auto const alive = this_runtime_info().threads_alive; alive != 1) {
      fmt::print(stderr, "soak: broken: {} threads are alive after the last round\n", alive);
      std::abort();
    }
  });
  auto const info = one.info();
  ++sums.runtimes;
  sums.switches += info.switches;
  sums.steals += info.steals;
  sums.stalls += info.stalls;
}

bool grown(std::size_t before, std::size_t after, std::size_t allowed, char const* what) {
  if (after <= before + allowed) return false;
  fmt::print("soak: grown: {} from {} to {}\n", what, before, after);
  return true;
}

int soak_for(std::chrono::seconds time, std::uint64_t seed) {
  Random random{seed};
  Garden garden;
  std::string name = "/tmp/mutirao-soak-XXXXXX";
  garden.file = ::mkstemp(name.data());
  ::unlink(name.c_str());
  auto const begun = Clock::now();
  auto const until = begun + time;
  Sums sums;
  Footprint first;  // of the second third: by then all pools and caches have their size
  Footprint last;   // of the last third
  auto next_line = begun;
  while (Clock::now() < until) {
    have_runtime(garden, random, until, sums);
    auto const now = Clock::now();
    auto const held = footprint_at_rest();
    if (now - begun > time * 2 / 3) {
      last = larger(last, held);
    } else if (now - begun > time / 3) {
      first = larger(first, held);
    }
    if (now < next_line) continue;
    next_line = now + time / 10;
    fmt::print("{:>5} s: {} runtimes, {} rounds, {}\n",
               std::chrono::duration_cast<std::chrono::seconds>(now - begun).count(), sums.runtimes,
               sums.rounds, to_string(held));
    std::fflush(stdout);
  }
  ::close(garden.file);
  fmt::print(
      "soak: seed {}: {} runtimes, {} rounds, {} switches, {} steals, {} reliefs, at most {} "
      "LWPs\n",
      seed, sums.runtimes, sums.rounds, sums.switches, sums.steals, sums.stalls, sums.lwps_most);
  fmt::print("soak: second third: at most {}\nsoak: last third:   at most {}\n", to_string(first),
             to_string(last));
  // The allocator's arenas and the C library's cache of thread stacks breathe a little.
  bool const memory =
      grown(first.resident_kib, last.resident_kib, first.resident_kib / 10 + 4096, "KiB of memory");
  bool const lwps = grown(first.lwps, last.lwps, 0, "LWPs");
  bool const descriptors = grown(first.descriptors, last.descriptors, 0, "descriptors");
  bool const mappings = grown(first.mappings, last.mappings, 32, "mappings");
  if (memory || lwps || descriptors || mappings) return 1;
  fmt::print("soak: no growth in {} s\n", time.count());
  return 0;
}
}  // namespace

}  // namespace soak

int main(int argc, char** argv) {
  std::uint64_t numbers[2] = {0, 1};
  for (int i = 1; i < argc && i <= 2; ++i) {
    char const* const end = argv[i] + std::strlen(argv[i]);
    if (std::from_chars(argv[i], end, numbers[i - 1]).ptr != end) numbers[0] = 0;
  }
  if (numbers[0] == 0) {
    std::fputs("usage: threads_soak SECONDS [SEED]\n", stderr);
    return 2;
  }
  return soak::soak_for(std::chrono::seconds{numbers[0]}, numbers[1]);
}
