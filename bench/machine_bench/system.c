// What the operating system does for a program: system calls, processes, pipes.
#define _GNU_SOURCE
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs.h"

struct outcome system_calls(void) {
  long const parent = getppid();
  uint64_t same = 0;
  for (int i = 0; i < 1500000; ++i) same += syscall(SYS_getppid) == parent;
  return exactly(same);
}

// The guests have one processor: natively it is one as well.
static cpu_set_t stay_here(void) {
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all) != 0) refused("sched_getaffinity");
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) refused("sched_setaffinity");
  return all;
}

struct outcome fork_exit(void) {
  cpu_set_t const all = stay_here();
  uint64_t sum = 0;
  for (int i = 0; i < 2500; ++i) {
    pid_t const child = fork();
    if (child < 0) refused("fork");
    if (child == 0) _exit(i & 63);
    int status = 0;
    if (waitpid(child, &status, 0) != child) refused("waitpid");
    sum = mixed(sum, (uint64_t)WEXITSTATUS(status));
  }
  sched_setaffinity(0, sizeof all, &all);
  return exactly(sum);
}

static void echo_to_end(int from, int to) {
  for (uint8_t byte; read(from, &byte, 1) == 1;) {
    ++byte;
    if (write(to, &byte, 1) != 1) _exit(1);
  }
  _exit(0);
}

struct outcome pipe_ping_pong(void) {
  cpu_set_t const all = stay_here();
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) refused("pipe");
  pid_t const child = fork();
  if (child < 0) refused("fork");
  if (child == 0) {
    close(there[1]);
    echo_to_end(there[0], back[1]);
  }
  uint64_t sum = 0;
  for (int i = 0; i < 60000; ++i) {
    uint8_t byte = (uint8_t)i;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) refused("pipe");
    sum = mixed(sum, byte);
  }
  close(there[1]);
  waitpid(child, NULL, 0);
  sched_setaffinity(0, sizeof all, &all);
  return exactly(sum);
}
