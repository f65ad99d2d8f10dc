// Memory: what is near, what streams by, and what every translation buffer is too small for.
#include <string.h>
#include <sys/mman.h>

#include "programs.h"

enum { kNear = 16 << 10, kFar = 64 << 20, kPage = 4096 };

// A cycle through all the elements in random order.
static void make_cycle(uint32_t* next, uint32_t count) {
  uint64_t random = 5;
  for (uint32_t i = 0; i < count; ++i) next[i] = i;
  for (uint32_t i = count - 1; i > 0; --i) {
    uint32_t const other = (uint32_t)(random_next(&random) % i), swapped = next[i];
    next[i] = next[other];
    next[other] = swapped;
  }
}

static uint32_t follow(uint32_t const* next, uint64_t steps) {
  uint32_t at = 0;
  for (uint64_t i = 0; i < steps; ++i) at = next[at];
  return at;
}

struct outcome dependent_loads(void) {
  uint32_t* const next = memory_of(kNear);
  make_cycle(next, kNear / sizeof *next);
  return exactly(follow(next, 150000000));
}

struct outcome random_chase(void) {
  enum { kLine = 64, kLines = kFar / kLine };
  uint32_t* const order = memory_of(kLines * sizeof *order);
  make_cycle(order, kLines);
  uint8_t* const lines = memory_of(kFar);
  for (uint32_t i = 0; i < kLines; ++i) memcpy(lines + (size_t)i * kLine, &order[i], sizeof *order);
  uint32_t at = 0;
  for (int i = 0; i < 1500000; ++i) memcpy(&at, lines + (size_t)at * kLine, sizeof at);
  return exactly(at);
}

struct outcome stream(void) {
  enum { kWords = kFar / 2 / sizeof(uint64_t) };
  uint64_t *const from = memory_of(kFar / 2), *const to = memory_of(kFar / 2);
  for (uint64_t i = 0; i < kWords; ++i) from[i] = i * 3, to[i] = i;
  for (uint64_t round = 0; round < 36; ++round)
    for (uint64_t i = 0; i < kWords; ++i) to[i] = from[i] + (to[i] << 1) + round;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < kWords; ++i) sum += to[i];
  return exactly(sum);
}

struct outcome copying(void) {
  uint8_t *const from = memory_of(kFar / 2), *const to = memory_of(kFar / 2);
  for (uint32_t i = 0; i < kFar / 2; ++i) from[i] = (uint8_t)(i * 5 >> 3);
  uint64_t sum = 0;
  for (uint32_t round = 0; round < 40; ++round) {
    memcpy(to, from, kFar / 2);
    sum = mixed(sum, to[round * 100003]);
    from[round * 100003] ^= (uint8_t)round;
  }
  return exactly(sum);
}

static uint8_t* pages_of(size_t bytes) {
  void* const pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) refused("mmap");
  // Small ones, whatever the system would rather have.
  madvise(pages, bytes, MADV_NOHUGEPAGE);
  return pages;
}

struct outcome page_walk(void) {
  uint8_t* const pages = pages_of(kFar);
  for (uint32_t at = 0; at < kFar; at += kPage)
    pages[at + at / kPage % 64 * 64] = (uint8_t)(at >> 12);
  uint64_t sum = 0;
  for (int round = 0; round < 1600; ++round)
    for (uint32_t at = 0; at < kFar; at += kPage) sum += pages[at + at / kPage % 64 * 64];
  return exactly(sum);
}

struct outcome page_faults(void) {
  enum { kPages = 4000, kRounds = 40 };
  uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    uint8_t* const pages = pages_of((size_t)kPages * kPage);
    for (size_t i = 0; i < kPages; ++i) pages[i * kPage] = (uint8_t)(i + (size_t)round);
    sum = mixed(sum, pages[(size_t)(round * 17) * kPage]);
    munmap(pages, (size_t)kPages * kPage);
  }
  return exactly(sum);
}
