// Prints one JSON object a row; bench/threads makes the table. Arguments: rounds, and a part of the
// names of the rows to run.
#include <algorithm>
#include <cstdlib>

#include "measure.h"

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::string const wanted = argc > 2 ? argv[2] : "";
  for (auto const& row : bench::all_rows()) {
    if (row.name.find(wanted) != std::string::npos) bench::measure(row, rounds);
  }
}
