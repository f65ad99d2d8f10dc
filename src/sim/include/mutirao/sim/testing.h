#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "mutirao/sim/recording.h"
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

/// What simulated tests share; for tests only.
namespace mutirao::sim {

/// Hands a recording from one process to another.
inline bool save(Recording const& recording, std::string const& path) {
  std::ofstream file{path, std::ios::binary};
  for (std::size_t i = 0; i < recording.size(); ++i)
    file.write(reinterpret_cast<char const*>(&recording[i]), sizeof recording[i]);
  return static_cast<bool>(file.flush());
}
inline Recording load(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  Recording read;
  for (Recording::Event event; file.read(reinterpret_cast<char*>(&event), sizeof event);)
    read.note(event);
  return read;
}

/// Runs the present test once more in a fresh process and compares with what happens here; the
/// first difference, or nothing. `run` is called once, here and there, and the other process ends
/// with it, so it is for one call in each test, or one for each of seeds().
///
/// In one process, a container in the order of addresses gives the same order twice. The other
/// process has other addresses for everything (ASLR) and fills what malloc returns with another
/// value, so that whatever depends on either differs.
[[nodiscard]] inline std::optional<std::string> difference_in_fresh_process(
    std::uint64_t seed, std::function<void(Recording&)> const& run) {
  constexpr char const* kPath = "MUTIRAO_RECORD_TO";
  Recording here;
  if (char const* const path = std::getenv(kPath)) {
    run(here);
    _exit(save(here, path) ? 0 : 1);
  }
  std::string path = testing::TempDir() + "mutirao-recording-XXXXXX";
  int const reserved = mkstemp(path.data());
  if (reserved < 0) return "no temporary file can be made";
  close(reserved);
  auto const* const test = testing::UnitTest::GetInstance()->current_test_info();
  std::string const filter =
      std::string{"--gtest_filter="} + test->test_suite_name() + "." + test->name();
  std::fflush(nullptr);
  pid_t const child = fork();
  if (child == 0) {
    setenv(kPath, path.c_str(), 1);
    setenv("MUTIRAO_SEED", std::to_string(seed).c_str(), 1);
    setenv("MALLOC_PERTURB_", "165", 1);
    char const* const sanitizer = std::getenv("ASAN_OPTIONS");
    std::string const fill = ":max_malloc_fill_size=65536:malloc_fill_byte=165";
    setenv("ASAN_OPTIONS", ((sanitizer != nullptr ? sanitizer : "") + fill).c_str(), 1);
    unsetenv("GTEST_OUTPUT");
    static_cast<void>(std::freopen("/dev/null", "w", stdout));
    execl("/proc/self/exe", "/proc/self/exe", filter.c_str(), nullptr);
    _exit(1);
  }
  run(here);
  int status = 0;
  waitpid(child, &status, 0);
  auto const there = load(path);
  unlink(path.c_str());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return "the run in a fresh process did not come to its end";
  return first_difference(here, there);
}

/// Runs `body` in a simulated network of its own for each seed, as `seeds(count)` says; the first
/// of them twice, once in a fresh process, and both runs must be the same.
inline void for_seeds(std::size_t count,
                      std::function<void(Simulation&, std::uint64_t)> const& body,
                      SimulationOptions options = {}) {
  static testing::TestInfo const* compared = nullptr;
  auto const* const test = testing::UnitTest::GetInstance()->current_test_info();
  bool first = true;
  for (auto const seed : seeds(count)) {
    SCOPED_TRACE(replay_hint(seed));
    options.seed = seed;
    auto const run = [&] {
      Simulation simulation{options};
      simulation.run([&](Simulation& network) { body(network, seed); });
    };
    if (!first || compared == test) {
      run();
      continue;
    }
    first = false;
    compared = test;
    auto const difference = difference_in_fresh_process(seed, [&](Recording& recording) {
      options.recording = &recording;
      run();
      options.recording = nullptr;
    });
    EXPECT_FALSE(difference) << *difference;
  }
}

}  // namespace mutirao::sim
