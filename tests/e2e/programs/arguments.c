// What a program is given, and what it is told of itself.
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) printf("%d: '%s'\n", i, argv[i]);
  struct utsname name;
  uname(&name);
  printf("%s %s, pages of %lu, letters %#lx\n", name.sysname, name.machine, getauxval(AT_PAGESZ),
         getauxval(AT_HWCAP) & 0x112d);
  printf("home %s, user %d, %.3f\n", getenv("HOME"), getuid(), 10.0 / 3);
  return 42;
}
