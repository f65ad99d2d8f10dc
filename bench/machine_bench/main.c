// suite NAME...: runs those programs and prints "begin NAME" before and "NAME SECONDS
// CHECKSUM BITS" (programs.h) after each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "programs.h"

static struct {
  char const* name;
  struct outcome (*run)(void);
} const kPrograms[] = {
    {"core", core},
    {"dhrystone", dhrystone},
    {"qsort", quicksort},
    {"sha512", sha512},
    {"primes", primes},
    {"norx", norx},
    {"aes", aes},
    {"deflate", deflate},
    {"bigint", bigint},
    {"linpack", linpack},
    {"whetstone", whetstone},
    {"recursion", recursion},
    {"indirect", indirect_calls},
    {"loads", dependent_loads},
    {"stream", stream},
    {"memcpy", copying},
    {"walk", page_walk},
    {"chase", random_chase},
    {"getppid", system_calls},
    {"fork", fork_exit},
    {"pipe", pipe_ping_pong},
    {"faults", page_faults},
};

void refused(char const* what) {
  perror(what);
  exit(1);
}

void* memory_of(size_t bytes) {
  void* const memory = malloc(bytes);
  if (memory == NULL) refused("malloc");
  return memory;
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int run(char const* name) {
  for (size_t i = 0; i < sizeof kPrograms / sizeof *kPrograms; ++i) {
    if (strcmp(kPrograms[i].name, name) != 0) continue;
    printf("begin %s\n", name);
    fflush(stdout);
    double const begin = now_s();
    struct outcome const outcome = kPrograms[i].run();
    double const took = now_s() - begin;
    printf("%s %.6f %016llx %016llx\n", name, took, (unsigned long long)outcome.checksum,
           (unsigned long long)outcome.bits);
    fflush(stdout);
    return 0;
  }
  fprintf(stderr, "suite: no program %s\n", name);
  return 2;
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    int const code = run(argv[i]);
    if (code != 0) return code;
  }
  return 0;
}
