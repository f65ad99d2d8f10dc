// Handlers: what they are told, what goes on behind them, and what they interrupt.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static sigjmp_buf back;

static void note(int number) { seen = number; }
static void leave(int number, siginfo_t* info, void* context) {
  (void)context;
  printf("signal %d at %p\n", number, info->si_addr);
  siglongjmp(back, 1);
}

int main(void) {
  signal(SIGUSR1, note);
  double const before = 1.0 / 3;
  raise(SIGUSR1);
  printf("seen %d, %.6f\n", seen, before);

  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  seen = 0;
  raise(SIGUSR1);
  printf("blocked %d\n", seen);
  sigsuspend(&old);
  printf("then %d\n", seen);
  sigprocmask(SIG_SETMASK, &old, NULL);

  char stack[32768];
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&other, NULL);
  struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  if (sigsetjmp(back, 1) == 0) *(volatile int*)64 = 1;
  if (sigsetjmp(back, 1) == 0) *(volatile int*)128 = 1;

  struct sigaction child = {.sa_handler = note};
  sigaction(SIGCHLD, &child, NULL);
  fflush(stdout);
  if (fork() == 0) {
    usleep(20000);
    _exit(0);
  }
  printf("%d %s\n", (int)sleep(100) > 90, strerror(errno));
  printf("seen %d, %d\n", seen == SIGCHLD, (int)waitpid(-1, NULL, 0) > 0);
  signal(SIGTERM, SIG_IGN);
  raise(SIGTERM);
  signal(SIGTERM, SIG_DFL);
  fflush(stdout);
  raise(SIGTERM);
}
