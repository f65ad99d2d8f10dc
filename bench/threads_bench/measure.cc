#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace bench {

namespace {
std::vector<std::function<std::vector<Row>()>>& contributions() {
  static std::vector<std::function<std::vector<Row>()>> all;
  return all;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::string_view name_of(Judge judge) {
  switch (judge) {
    case Judge::ratio_at_most:
      return "ratio at most";
    case Judge::ratio_at_least:
      return "ratio at least";
    case Judge::ours_at_most:
      return "ours at most";
    case Judge::ours_at_least:
      return "ours at least";
    case Judge::inform:
      break;
  }
  return "inform";
}

struct Figures {
  double ours;
  std::optional<double> theirs;
};

Figures figures_of(Row const& row, int rounds) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int round = 0; round <= rounds; ++round) {
    bool const ours_first = round % 2 == 0;
    double const first = ours_first || !row.theirs ? row.ours() : row.theirs();
    double const second = !row.theirs ? 0 : ours_first ? row.theirs() : row.ours();
    if (round == 0) continue;
    ours.push_back(ours_first || !row.theirs ? first : second);
    theirs.push_back(ours_first ? second : first);
  }
  return {median(ours), row.theirs ? std::optional{median(theirs)} : std::nullopt};
}

std::string folder_of_this_program() {
  char path[4096];
  auto const length = ::readlink("/proc/self/exe", path, sizeof path);
  std::string whole{path, length > 0 ? static_cast<std::size_t>(length) : 0};
  return whole.substr(0, whole.find_last_of('/') + 1);
}
}  // namespace

Contribution::Contribution(std::function<std::vector<Row>()> rows) {
  contributions().push_back(std::move(rows));
}

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (auto const& rows : contributions()) std::ranges::move(rows(), std::back_inserter(all));
  return all;
}

void measure(Row const& row, int rounds) {
  std::string line = fmt::format(R"({{"name": "{}", "peer": "{}", "unit": "{}", "judge": "{}")",
                                 row.name, row.peer, row.unit, name_of(row.judge));
  try {
    auto const [ours, theirs] =
        figures_of(row, std::clamp(rounds, row.rounds_least, row.rounds_max));
    line += fmt::format(R"(, "ours": {:.5g})", ours);
    if (theirs) line += fmt::format(R"(, "theirs": {:.5g})", *theirs);
  } catch (Missing const& missing) {
    line += fmt::format(R"(, "missing": "{}", "mend": "{}")", missing.what, missing.mend);
  }
  if (row.judge != Judge::inform)
    line += fmt::format(R"(, "gate": {:g}, "aim": {:g})", row.gate, row.aim);
  std::puts((line + "}").c_str());
  std::fflush(stdout);
}

double process_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double ns_each(double count, std::function<void()> const& work) {
  double const before = process_cpu_s();
  work();
  return (process_cpu_s() - before) * 1e9 / count;
}

double wall_ns_each(double count, std::function<void()> const& work) {
  auto const before = std::chrono::steady_clock::now();
  work();
  std::chrono::duration<double, std::nano> const passed = std::chrono::steady_clock::now() - before;
  return passed.count() / count;
}

double in_child(Run const& work) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  pid_t const child = ::fork();
  if (child < 0) std::abort();
  if (child == 0) {
    double const result = work();
    if (::write(ends[1], &result, sizeof result) != sizeof result) std::abort();
    ::_exit(0);
  }
  ::close(ends[1]);
  double result = 0;
  auto const got = ::read(ends[0], &result, sizeof result);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (got != sizeof result || status != 0) {
    std::fprintf(stderr, "threads_bench: a measurement in a child process failed (status %d)\n",
                 status);
    std::exit(3);
  }
  return result;
}

double ask_program(std::string const& program, std::string const& arguments) {
  std::string const path = folder_of_this_program() + program;
  if (::access(path.c_str(), X_OK) != 0)
    throw Missing{fmt::format("{} was not built", program), "run: packaging/debian/install bench"};
  FILE* const answer = ::popen(fmt::format("'{}' {}", path, arguments).c_str(), "r");
  double figure = 0;
  int const read = answer != nullptr ? std::fscanf(answer, "%lf", &figure) : 0;
  int const status = answer != nullptr ? ::pclose(answer) : -1;
  if (read == 1 && status == 0) return figure;
  std::fprintf(stderr, "threads_bench: '%s %s' failed (status %d)\n", program.c_str(),
               arguments.c_str(), status);
  std::exit(3);
}

double ask_go(std::string const& arguments) { return ask_program("threads_bench_go", arguments); }

}  // namespace bench
