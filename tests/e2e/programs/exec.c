// A program that starts itself anew, and another that is none.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc > 1) {
    printf("started anew as %s with %s, %s\n", argv[0], argv[1], fcntl(9, F_GETFD) < 0 ? "closed" : "open");
    return 11;
  }
  dup3(1, 9, O_CLOEXEC);
  fflush(stdout);
  if (fork() == 0) execl("/proc/self/exe", "itself", "word", NULL);
  int status;
  wait(&status);
  printf("exited with %d\n", WEXITSTATUS(status));
  execl("/etc/passwd", "passwd", NULL);
  printf("%s, ", strerror(errno));
  execl("/nowhere", "nowhere", NULL);
  printf("%s\n", strerror(errno));
  return 0;
}
