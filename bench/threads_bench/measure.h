#pragma once

#include <functional>
#include <string>
#include <vector>

/// One comparison a row: what ours and theirs cost, and what the ratio may be. A file of this
/// folder contributes its rows with a `Contribution`; bench/threads prints the table.
///
/// Figures are CPU time where the row's unit does not say otherwise: the machine may be busy with
/// other things.
namespace bench {

/// Does the work once and returns its cost (or its rate) in the row's unit.
using Run = std::function<double()>;

/// What a row's gate and aim are held against. `inform` rows are printed and never fail.
enum class Judge { ratio_at_most, ratio_at_least, ours_at_most, ours_at_least, inform };

struct Row {
  std::string name;
  std::string peer;  ///< who `theirs` is; empty for an absolute figure
  std::string unit;
  Run ours;
  Run theirs = {};  ///< none for an absolute figure
  Judge judge = Judge::ratio_at_most;
  double gate = 0;
  double aim = 0;
  int rounds_least = 1;   ///< for a row whose gate is narrower than what one round strays
  int rounds_max = 1000;  ///< for a row whose rounds take long
};

/// A file's rows: `Contribution const rows{[] { return std::vector<Row>{...}; }};` at namespace
/// scope.
struct Contribution {
  explicit Contribution(std::function<std::vector<Row>()> rows);
};
[[nodiscard]] std::vector<Row> all_rows();

/// An opponent that is not on this machine, and how to get it; thrown by a Run.
struct Missing {
  std::string what;
  std::string mend;
};

/// Ours and theirs take turns, each first in every other round; the medians count, and the first
/// round of both is dropped. Prints one line of JSON.
void measure(Row const& row, int rounds);

[[nodiscard]] double process_cpu_s();

/// Nanoseconds of process CPU for each of `count` operations.
[[nodiscard]] double ns_each(double count, std::function<void()> const& work);
/// The same in elapsed time: for work that two processors share.
[[nodiscard]] double wall_ns_each(double count, std::function<void()> const& work);

/// Runs `work` in a child process, for what would leave its marks on this one. Only while this
/// process has one kernel thread.
[[nodiscard]] double in_child(Run const& work);

/// What a program prints as a number; `program` lies beside this one. Throws Missing without it.
[[nodiscard]] double ask_program(std::string const& program, std::string const& arguments);

/// Asks the Go program: `go_peer.go` says what there is.
[[nodiscard]] double ask_go(std::string const& arguments);

}  // namespace bench
