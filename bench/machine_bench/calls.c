// Calls: a recursion, and calls through pointers.
#include "programs.h"

#define NOINLINE __attribute__((noinline, noclone))

NOINLINE static uint64_t fibonacci(unsigned n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

struct outcome recursion(void) { return exactly(fibonacci(39)); }

enum { kCalls = 120000000 };

NOINLINE static uint64_t add(uint64_t value, uint64_t by) { return value + by; }
NOINLINE static uint64_t differ(uint64_t value, uint64_t by) { return value ^ by; }
NOINLINE static uint64_t take_away(uint64_t value, uint64_t by) { return value - 3 * by; }
NOINLINE static uint64_t shift(uint64_t value, uint64_t by) { return value ^ (by << 7); }

struct outcome indirect_calls(void) {
  uint64_t (*const volatile all[4])(uint64_t, uint64_t) = {add, differ, take_away, shift};
  uint64_t (*chosen[4])(uint64_t, uint64_t);
  for (int i = 0; i < 4; ++i) chosen[i] = all[i];
  uint64_t value = 1;
  for (uint64_t i = 0; i < kCalls; ++i) value = chosen[i & 3](value, i);
  return exactly(value);
}
