// Children, pipes, and how they end.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void told(int status) {
  if (WIFEXITED(status))
    printf("exited with %d\n", WEXITSTATUS(status));
  else
    printf("signal %d\n", WTERMSIG(status));
  fflush(stdout);
}

int main(void) {
  int* const shared =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int own = 1;
  int pipes[2];
  pipe(pipes);
  fflush(stdout);
  if (fork() == 0) {
    close(pipes[0]);
    *shared = own = 42;
    // More than a pipe holds: the other has to read meanwhile.
    static char much[300000];
    memset(much, 'x', sizeof much);
    for (size_t at = 0; at < sizeof much;) at += (size_t)write(pipes[1], much + at, sizeof much - at);
    _exit(3);
  }
  close(pipes[1]);
  static char piece[1000];
  long total = 0;
  for (long got; (got = read(pipes[0], piece, sizeof piece)) > 0;) total += got;
  int status;
  wait(&status);
  told(status);
  printf("%ld %d %d\n", total, *shared, own);
  fflush(stdout);
  if (fork() == 0) abort();
  wait(&status);
  told(status);
  if (fork() == 0) raise(SIGKILL);
  wait(&status);
  told(status);
  if (fork() == 0) {
    close(pipes[0]);
    int broken[2];
    pipe(broken);
    close(broken[0]);
    write(broken[1], "x", 1);
    _exit(0);
  }
  wait(&status);
  told(status);
  // While another computes, a wait has its whole time, and ends early when there is something.
  int late[2];
  pipe(late);
  fflush(stdout);
  if (fork() == 0) {
    for (volatile long i = 0; i < 30000000; ++i) {
    }
    usleep(50000);
    write(late[1], "x", 1);
    _exit(0);
  }
  struct pollfd ready = {late[0], POLLIN, 0};
  printf("%d\n", poll(&ready, 1, 1));
  printf("%d %d\n", poll(&ready, 1, 60000), ready.revents);
  wait(&status);
  told(status);
  printf("%d %d\n", (int)wait(&status), errno);
  fflush(stdout);
  *(volatile int*)8 = 1;
}
