#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <limits>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/sim/observer.h"
#include "mutirao/sim/testing.h"

// Every simulated test once more, in a fresh process.
//
// In one process, a container in the order of addresses gives the same order twice. The other has
// other addresses for everything (ASLR) and fills what malloc returns with another value, so that
// whatever depends on either differs, and the first event that does is named.
namespace mutirao::sim {
namespace {

constexpr char const* kRecordTo = "MUTIRAO_RECORD_TO";  // in the second process: where to
constexpr char const* kOnce = "MUTIRAO_ONCE";           // compare nothing, for a long search

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// They look for other things, at many times the cost; the plain build compares.
constexpr bool kCompares = false;
#else
constexpr bool kCompares = true;
#endif

/// Recorded event by event in each test; of further runs the hashes alone are compared.
constexpr std::size_t kRecordedEventsMax = 2'000'000;

struct Run {
  ObservedRun observed;
  Recording recording;
};

template <class Value>
void write(std::ostream& to, Value const& value) {
  to.write(reinterpret_cast<char const*>(&value), sizeof value);
}
template <class Value>
bool read(std::istream& from, Value& value) {
  return static_cast<bool>(from.read(reinterpret_cast<char*>(&value), sizeof value));
}

bool save(std::deque<Run> const& runs, std::string const& path) {
  std::ofstream file{path, std::ios::binary};
  for (auto const& run : runs) {
    write(file, run.observed.hash);
    write(file, run.observed.events);
    write(file, run.recording.size());
    for (std::size_t i = 0; i < run.recording.size(); ++i) write(file, run.recording[i]);
  }
  return static_cast<bool>(file.flush());
}

std::deque<Run> load(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  std::deque<Run> runs;
  Run run;
  for (std::size_t size = 0;
       read(file, run.observed.hash) && read(file, run.observed.events) && read(file, size);) {
    run.recording = {};
    Recording::Event event;
    for (std::size_t i = 0; i < size && read(file, event); ++i) run.recording.note(event);
    runs.push_back(run);
  }
  return runs;
}

/// A file that nobody else has.
class TemporaryFile {
 public:
  TemporaryFile() : path_{testing::TempDir() + "mutirao-recording-XXXXXX"} {
    int const reserved = mkstemp(path_.data());
    if (reserved >= 0) close(reserved);
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(TemporaryFile const&) = delete;
  TemporaryFile& operator=(TemporaryFile const&) = delete;
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// The present test in a process of its own, which records to `path`; false when it failed there.
bool run_again(std::string const& path, std::optional<std::uint64_t> seed) {
  auto const* const test = testing::UnitTest::GetInstance()->current_test_info();
  auto const filter = fmt::format("--gtest_filter={}.{}", test->test_suite_name(), test->name());
  std::fflush(nullptr);
  pid_t const child = fork();
  if (child == 0) {
    setenv(kRecordTo, path.c_str(), 1);
    if (seed) setenv("MUTIRAO_SEED", std::to_string(*seed).c_str(), 1);
    setenv("MALLOC_PERTURB_", "165", 1);
    char const* const sanitizer = std::getenv("ASAN_OPTIONS");
    std::string const fill = ":max_malloc_fill_size=65536:malloc_fill_byte=165";
    setenv("ASAN_OPTIONS", ((sanitizer != nullptr ? sanitizer : "") + fill).c_str(), 1);
    for (auto const* const each : {"GTEST_OUTPUT", "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"})
      unsetenv(each);
    static_cast<void>(std::freopen("/dev/null", "w", stdout));
    execl("/proc/self/exe", "/proc/self/exe", filter.c_str(), "--gtest_also_run_disabled_tests",
          nullptr);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class Twice final : public testing::EmptyTestEventListener, private RunObserver {
 public:
  static Twice& instance() {
    // Of googletest, which deletes it.
    static auto* const only = new Twice;
    return *only;
  }

  void compare_no_content() noexcept { content_ = false; }
  void leave_out_this_test() noexcept {
    observe_runs(nullptr);
    runs_.clear();
  }

 private:
  void OnTestStart(testing::TestInfo const&) override {
    runs_.clear();
    content_ = true;
    if (kCompares && std::getenv(kOnce) == nullptr) observe_runs(this);
  }

  void OnTestEnd(testing::TestInfo const& test) override {
    observe_runs(nullptr);
    if (runs_.empty()) return;
    if (char const* const path = std::getenv(kRecordTo)) {
      EXPECT_TRUE(save(runs_, path));
    } else if (!test.result()->Failed() && !test.result()->Skipped()) {
      compare();
    }
    runs_.clear();
  }

  ObservedRun& begins() override {
    std::size_t recorded = 0;
    for (auto const& run : runs_) recorded += run.recording.size();
    auto& run = runs_.emplace_back();
    if (!content_) run.recording = {1, std::numeric_limits<std::uint64_t>::max()};
    if (recorded < kRecordedEventsMax) run.observed.recording = &run.recording;
    return run.observed;
  }

  void compare() const {
    TemporaryFile const file;
    bool const passed = run_again(file.path(), {});
    auto const there = load(file.path());
    for (std::size_t i = 0; i < std::min(runs_.size(), there.size()); ++i) {
      auto const& first = runs_[i];
      auto const& second = there[i];
      if (auto const difference = first_difference(first.recording, second.recording)) {
        ADD_FAILURE() << "simulation " << i + 1 << " of the test is no function of its seed\n"
                      << *difference;
        return;
      }
      EXPECT_EQ(first.observed.hash, second.observed.hash)
          << "simulation " << i + 1 << " of the test is no function of its seed";
    }
    EXPECT_EQ(runs_.size(), there.size()) << "simulations in a second run of the test";
    EXPECT_TRUE(passed) << "it fails in a second process";
  }

  std::deque<Run> runs_;
  bool content_ = true;  // is recorded
};

[[maybe_unused]] bool const listens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(&Twice::instance());
  return true;
}();

}  // namespace

void compare_no_content() { Twice::instance().compare_no_content(); }

std::optional<std::string> difference_in_fresh_process(std::uint64_t seed,
                                                       std::function<void(Recording&)> const& run) {
  Twice::instance().leave_out_this_test();
  std::deque<Run> here(1);
  run(here.front().recording);
  if (char const* const path = std::getenv(kRecordTo)) _exit(save(here, path) ? 0 : 1);
  TemporaryFile const file;
  if (!run_again(file.path(), seed)) return "the run in a fresh process did not come to its end";
  auto const there = load(file.path());
  if (there.size() != 1) return "the run in a fresh process left no recording";
  return first_difference(here.front().recording, there.front().recording);
}

}  // namespace mutirao::sim
