#pragma once

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

/// Figures are CPU time, not wall time: the machine may be busy with other things.
namespace bench {

inline double process_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// One side of a row: runs the work once and returns nanoseconds (or another cost) per operation.
using Run = std::function<double()>;

/// Ours and theirs take turns; the median of each counts, and the first round of both is dropped.
struct Row {
  std::string name;
  std::string peer;
  std::string unit;
  double gate;  ///< most that ours/theirs may be
  double aim;
  Run ours;
  Run theirs;
};

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

inline void measure(Row const& row, int rounds) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int round = 0; round <= rounds; ++round) {
    double const a = row.ours();
    double const b = row.theirs();
    if (round == 0) continue;
    ours.push_back(a);
    theirs.push_back(b);
  }
  std::printf(
      "{\"name\": \"%s\", \"peer\": \"%s\", \"unit\": \"%s\", \"ours\": %.4g, \"theirs\": %.4g, "
      "\"gate\": %g, \"aim\": %g}\n",
      row.name.c_str(), row.peer.c_str(), row.unit.c_str(), median(ours), median(theirs), row.gate,
      row.aim);
  std::fflush(stdout);
}

/// Nanoseconds of process CPU for each of `count` operations.
inline double ns_each(long count, std::function<void()> const& work) {
  double const before = process_cpu_s();
  work();
  return (process_cpu_s() - before) * 1e9 / static_cast<double>(count);
}

std::vector<Row> cpu_rows();
std::vector<Row> io_rows();

}  // namespace bench
