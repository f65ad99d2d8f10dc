// Scientific code of the sixties: elements of small arrays, procedures with floating-point
// arguments, and the functions of the mathematical library, which take most of the time.
#include <math.h>

#include "programs.h"

enum { kLoops = 400000 };
#define NOINLINE __attribute__((noinline, noclone))

static double const kScale = 0.499975, kTwice = 2.0;

NOINLINE static void on_array(double e[4]) {
  for (int i = 0; i < 6; ++i) {
    e[0] = (e[0] + e[1] + e[2] - e[3]) * kScale;
    e[1] = (e[0] + e[1] - e[2] + e[3]) * kScale;
    e[2] = (e[0] - e[1] + e[2] + e[3]) * kScale;
    e[3] = (-e[0] + e[1] + e[2] + e[3]) / kTwice;
  }
}

NOINLINE static void on_arguments(double x, double y, double* z) {
  double const a = kScale * (x + y), b = kScale * (a + y);
  *z = (a + b) / kTwice;
}

struct outcome whetstone(void) {
  double e[4] = {1.0, -1.0, -1.0, -1.0};
  double x = 0.5, y = 0.5, z = 1.0, root = 0.75, total = 0;
  for (int loop = 0; loop < kLoops; ++loop) {
    on_array(e);
    for (int i = 0; i < 4; ++i) {
      x = kScale * atan(kTwice * sin(x) * cos(x) / (cos(x + y) + cos(x - y) + 1.0));
      y = kScale * atan(kTwice * sin(y) * cos(y) / (cos(x + y) + cos(x - y) + 1.0));
    }
    for (int i = 0; i < 30; ++i) on_arguments(x + i, y, &z);
    for (int i = 0; i < 6; ++i) root = sqrt(exp(log(root) / 0.50025));
    x += 0.1 * ((loop & 7) + 1);
    y += 0.05 * ((loop & 3) + 1);
    total += x + y + z + root + e[0];
  }
  union {
    double value;
    uint64_t bits;
  } const sum = {total + e[1] + e[2] + e[3]};
  return (struct outcome){(uint64_t)llround(sum.value * 1e3), sum.bits};
}
