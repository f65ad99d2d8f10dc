// The programs that bench/machine runs natively and in guests. Each has a fixed amount of work,
// most of them 0.2 to 0.6 s of a processor of today, and returns a checksum of all that it
// computed, so that none of it can be left out and a wrong machine is noticed.
#ifndef MUTIRAO_BENCH_MACHINE_PROGRAMS_H
#define MUTIRAO_BENCH_MACHINE_PROGRAMS_H

#include <stddef.h>
#include <stdint.h>

// `checksum` is the same on every architecture. `bits` is the same for one binary on every machine
// that runs it, but not natively, where floating point is contracted and rounded by another libm.
struct outcome {
  uint64_t checksum;
  uint64_t bits;
};

static inline struct outcome exactly(uint64_t checksum) {
  return (struct outcome){checksum, checksum};
}

static inline uint64_t mixed(uint64_t sum, uint64_t value) {
  sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
  return sum ^ sum >> 29;
}

// xorshift64*: the same numbers everywhere.
static inline uint64_t random_next(uint64_t* state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545f4914f6cdd1du;
}

// Ends the program with a message where the system refuses something.
void* memory_of(size_t bytes);
void refused(char const* what);

struct outcome core(void);
struct outcome dhrystone(void);
struct outcome quicksort(void);
struct outcome sha512(void);
struct outcome primes(void);
struct outcome norx(void);
struct outcome aes(void);
struct outcome deflate(void);
struct outcome bigint(void);

struct outcome linpack(void);
struct outcome whetstone(void);

struct outcome recursion(void);
struct outcome indirect_calls(void);

struct outcome dependent_loads(void);
struct outcome stream(void);
struct outcome copying(void);
struct outcome page_walk(void);
struct outcome random_chase(void);

struct outcome system_calls(void);
struct outcome fork_exit(void);
struct outcome pipe_ping_pong(void);
struct outcome page_faults(void);

#endif
