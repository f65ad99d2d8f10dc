// Linear equations in double precision: factors of a matrix with pivots, by columns, and the
// solution.
#include <math.h>

#include "programs.h"

enum { kOrder = 300, kRounds = 36 };

static double matrix[kOrder][kOrder];  // [column][row]
static double right[kOrder];
static int pivots[kOrder];

// to += factor * from
__attribute__((noinline)) static void add_scaled(int count, double factor, double const* from,
                                                 double* to) {
  for (int i = 0; i < count; ++i) to[i] += factor * from[i];
}

static void factorise(void) {
  for (int k = 0; k < kOrder; ++k) {
    double* const column = matrix[k];
    int pivot = k;
    for (int i = k + 1; i < kOrder; ++i)
      if (fabs(column[i]) > fabs(column[pivot])) pivot = i;
    pivots[k] = pivot;
    double const head = column[pivot];
    column[pivot] = column[k];
    column[k] = head;
    for (int i = k + 1; i < kOrder; ++i) column[i] *= -1.0 / head;
    for (int j = k + 1; j < kOrder; ++j) {
      double const factor = matrix[j][pivot];
      matrix[j][pivot] = matrix[j][k];
      matrix[j][k] = factor;
      add_scaled(kOrder - k - 1, factor, column + k + 1, matrix[j] + k + 1);
    }
  }
}

static void solve(void) {
  for (int k = 0; k < kOrder; ++k) {
    double const value = right[pivots[k]];
    right[pivots[k]] = right[k];
    right[k] = value;
    add_scaled(kOrder - k - 1, value, matrix[k] + k + 1, right + k + 1);
  }
  for (int k = kOrder - 1; k >= 0; --k) {
    right[k] /= matrix[k][k];
    add_scaled(k, -right[k], matrix[k], right);
  }
}

struct outcome linpack(void) {
  struct outcome sums = {0, 0};
  uint64_t random = 17;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kOrder; ++i) right[i] = 0;
    for (int j = 0; j < kOrder; ++j)
      for (int i = 0; i < kOrder; ++i) {
        matrix[j][i] = (double)(int64_t)(random_next(&random) >> 40) / (1 << 23) - 1.0;
        right[i] += matrix[j][i] * (1 + (j + round) % 10);
      }
    factorise();
    solve();
    for (int i = 0; i < kOrder; ++i) {
      union {
        double value;
        uint64_t bits;
      } const x = {right[i]};
      sums.checksum = mixed(sums.checksum, (uint64_t)llround(x.value * 1e6));
      sums.bits = mixed(sums.bits, x.bits);
    }
  }
  return sums;
}
