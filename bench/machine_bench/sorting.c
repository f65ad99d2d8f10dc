// Quicksort with the median of three, and insertion for the short ones: unpredictable branches.
#include "programs.h"

enum { kNumbers = 1 << 20, kRounds = 4, kShort = 12 };

static void sort(uint32_t* from, uint32_t* end) {
  while (end - from > kShort) {
    uint32_t const a = from[0], b = from[(end - from) / 2], c = end[-1];
    uint32_t const pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
    uint32_t *left = from, *right = end - 1;
    for (;;) {
      while (*left < pivot) ++left;
      while (*right > pivot) --right;
      if (left >= right) break;
      uint32_t const swapped = *left;
      *left++ = *right;
      *right-- = swapped;
    }
    if (left == right && *left < pivot) ++left;
    if (left - from < end - left) {
      sort(from, left);
      from = left;
    } else {
      sort(left, end);
      end = left;
    }
  }
  for (uint32_t* next = from + 1; next < end; ++next) {
    uint32_t const value = *next;
    uint32_t* to = next;
    for (; to > from && to[-1] > value; --to) *to = to[-1];
    *to = value;
  }
}

struct outcome quicksort(void) {
  uint32_t* const numbers = memory_of(kNumbers * sizeof *numbers);
  uint64_t random = 3, sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kNumbers; ++i) numbers[i] = (uint32_t)(random_next(&random) >> 32);
    sort(numbers, numbers + kNumbers);
    for (int i = 1; i < kNumbers; ++i)
      if (numbers[i - 1] > numbers[i]) return exactly(0);
    for (int i = 0; i < kNumbers; i += 1000) sum = mixed(sum, numbers[i]);
  }
  return exactly(sum);
}
