// Primes by trial division: the processor's division.
#include "programs.h"

enum { kPrimes = 350000 };

struct outcome primes(void) {
  static uint64_t found[kPrimes];
  int count = 0;
  uint64_t sum = 0;
  for (uint64_t candidate = 2; count < kPrimes; ++candidate) {
    int prime = 1;
    for (int i = 0; i < count && found[i] * found[i] <= candidate; ++i)
      if (candidate % found[i] == 0) {
        prime = 0;
        break;
      }
    if (prime) {
      found[count++] = candidate;
      sum = mixed(sum, candidate);
    }
  }
  return exactly(sum);
}
