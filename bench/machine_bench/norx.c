// A sponge whose permutation adds without carries, as that of NORX does: xor, and, shifts,
// rotations, 16 words of 64 bits that no register file holds.
#include "programs.h"

enum { kPermutations = 1300000, kRate = 12 };

static inline uint64_t turned(uint64_t value, int bits) {
  return value >> bits | value << (64 - bits);
}
static inline uint64_t joined(uint64_t a, uint64_t b) { return a ^ b ^ (a & b) << 1; }

static inline void quarter(uint64_t* a, uint64_t* b, uint64_t* c, uint64_t* d) {
  *a = joined(*a, *b), *d = turned(*a ^ *d, 8);
  *c = joined(*c, *d), *b = turned(*b ^ *c, 19);
  *a = joined(*a, *b), *d = turned(*a ^ *d, 40);
  *c = joined(*c, *d), *b = turned(*b ^ *c, 63);
}

static void permute(uint64_t s[16]) {
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 4; ++i) quarter(&s[i], &s[4 + i], &s[8 + i], &s[12 + i]);
    for (int i = 0; i < 4; ++i)
      quarter(&s[i], &s[4 + (i + 1) % 4], &s[8 + (i + 2) % 4], &s[12 + (i + 3) % 4]);
  }
}

struct outcome norx(void) {
  uint64_t state[16];
  for (unsigned i = 0; i < 16; ++i) state[i] = 0x0123456789abcdefu * (i + 1);
  for (int i = 0; i < kPermutations; ++i) {
    for (unsigned word = 0; word < kRate; ++word) state[word] ^= (uint64_t)i + word;
    permute(state);
  }
  uint64_t sum = 0;
  for (int i = 0; i < 16; ++i) sum = mixed(sum, state[i]);
  return exactly(sum);
}
