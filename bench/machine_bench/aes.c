// AES-128 (FIPS 197) by tables, a chain of blocks: loads whose addresses depend on data.
#include "programs.h"

enum { kBlocks = 1800000, kRounds = 10 };

static uint8_t box[256];
static uint32_t tables[4][256];

static uint8_t doubled(uint8_t a) { return (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0)); }

static void make_tables(void) {
  // The powers of 3, and of its inverse, meet every field element but 0.
  uint8_t power = 1, inverse = 1;
  do {
    power ^= doubled(power);
    inverse ^= (uint8_t)(inverse << 1);
    inverse ^= (uint8_t)(inverse << 2);
    inverse ^= (uint8_t)(inverse << 4);
    if (inverse & 0x80) inverse ^= 0x09;
    uint8_t value = inverse;
    for (int bits = 1; bits <= 4; ++bits)
      value ^= (uint8_t)(inverse << bits | inverse >> (8 - bits));
    box[power] = value ^ 0x63;
  } while (power != 1);
  box[0] = 0x63;
  for (int i = 0; i < 256; ++i) {
    uint32_t const s = box[i], two = doubled(box[i]);
    uint32_t const word = two << 24 | s << 16 | s << 8 | (s ^ two);
    for (int t = 0; t < 4; ++t) tables[t][i] = t == 0 ? word : word >> 8 * t | word << (32 - 8 * t);
  }
}

static uint32_t boxed(uint32_t word) {
  return (uint32_t)box[word >> 24] << 24 | (uint32_t)box[word >> 16 & 255] << 16 |
         (uint32_t)box[word >> 8 & 255] << 8 | box[word & 255];
}

static void expand(uint32_t const key[4], uint32_t keys[4 * (kRounds + 1)]) {
  uint8_t constant = 1;
  for (int i = 0; i < 4 * (kRounds + 1); ++i) {
    if (i < 4) {
      keys[i] = key[i];
      continue;
    }
    uint32_t word = keys[i - 1];
    if (i % 4 == 0) {
      word = boxed(word << 8 | word >> 24) ^ (uint32_t)constant << 24;
      constant = doubled(constant);
    }
    keys[i] = keys[i - 4] ^ word;
  }
}

static void encrypt(uint32_t const* keys, uint32_t block[4]) {
  uint32_t s[4], t[4];
  for (int i = 0; i < 4; ++i) s[i] = block[i] ^ keys[i];
  for (int round = 1; round < kRounds; ++round) {
    for (int i = 0; i < 4; ++i)
      t[i] = tables[0][s[i] >> 24] ^ tables[1][s[(i + 1) % 4] >> 16 & 255] ^
             tables[2][s[(i + 2) % 4] >> 8 & 255] ^ tables[3][s[(i + 3) % 4] & 255] ^
             keys[4 * round + i];
    for (int i = 0; i < 4; ++i) s[i] = t[i];
  }
  for (int i = 0; i < 4; ++i)
    block[i] = boxed((s[i] & 0xff000000u) | (s[(i + 1) % 4] & 0xff0000u) |
                     (s[(i + 2) % 4] & 0xff00u) | (s[(i + 3) % 4] & 0xffu)) ^
               keys[4 * kRounds + i];
}

struct outcome aes(void) {
  make_tables();
  uint32_t const key[4] = {0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f};
  uint32_t keys[4 * (kRounds + 1)], block[4] = {0x00112233, 0x44556677, 0x8899aabb, 0xccddeeff};
  expand(key, keys);
  for (int i = 0; i < kBlocks; ++i) encrypt(keys, block);
  return exactly((uint64_t)(block[0] ^ block[2]) << 32 | (block[1] ^ block[3]));
}
