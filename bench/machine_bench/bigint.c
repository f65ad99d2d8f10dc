// Large integers: 3 to a high power by squaring limbs of 64 bits, and its decimal digits by
// dividing limbs of 32 bits.
#include <string.h>

#include "programs.h"

enum { kLimbs = 420, kHalves = 2 * kLimbs, kExponent = 16000, kRounds = 180 };

static uint64_t number[kLimbs], square[kLimbs];

// square = number * number, as far as there is room.
static int squared(int limbs) {
  memset(square, 0, sizeof square);
  for (int i = 0; i < limbs; ++i) {
    uint64_t carry = 0;
    int at = i;
    for (int j = 0; j < limbs && at < kLimbs; ++j, ++at) {
      unsigned __int128 const sum = (unsigned __int128)number[i] * number[j] + square[at] + carry;
      square[at] = (uint64_t)sum;
      carry = (uint64_t)(sum >> 64);
    }
    if (at < kLimbs) square[at] = carry;
  }
  limbs = 2 * limbs < kLimbs ? 2 * limbs : kLimbs;
  while (limbs > 1 && square[limbs - 1] == 0) --limbs;
  memcpy(number, square, sizeof number);
  return limbs;
}

static int times(int limbs, uint64_t factor) {
  uint64_t carry = 0;
  for (int i = 0; i < limbs; ++i) {
    unsigned __int128 const sum = (unsigned __int128)number[i] * factor + carry;
    number[i] = (uint64_t)sum;
    carry = (uint64_t)(sum >> 64);
  }
  if (carry != 0 && limbs < kLimbs) number[limbs++] = carry;
  return limbs;
}

static uint64_t digits(int limbs) {
  static uint32_t halves[kHalves];
  int count = 2 * limbs;
  for (int i = 0; i < limbs; ++i) {
    halves[2 * i] = (uint32_t)number[i];
    halves[2 * i + 1] = (uint32_t)(number[i] >> 32);
  }
  uint64_t sum = 0;
  while (count > 0) {
    uint64_t rest = 0;
    for (int i = count; i-- > 0;) {
      uint64_t const part = rest << 32 | halves[i];
      halves[i] = (uint32_t)(part / 1000000000u);
      rest = part % 1000000000u;
    }
    sum = mixed(sum, rest);
    while (count > 0 && halves[count - 1] == 0) --count;
  }
  return sum;
}

struct outcome bigint(void) {
  uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    memset(number, 0, sizeof number);
    number[0] = 1;
    int limbs = 1, exponent = kExponent + round;
    for (int bit = 13; bit >= 0; --bit) {
      limbs = squared(limbs);
      if (exponent >> bit & 1) limbs = times(limbs, 3);
    }
    sum = mixed(sum, digits(limbs));
  }
  return exactly(sum);
}
