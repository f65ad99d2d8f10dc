// Files, folders, memory, and pointers that lead nowhere.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare(void const* a, void const* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

int main(void) {
  char line[100];
  printf("read '%s'\n", strtok(fgets(line, sizeof line, stdin), "\n"));
  mkdir("folder", 0755);
  FILE* const out = fopen("folder/a", "w");
  for (int i = 0; i < 10000; ++i) fprintf(out, "%d\n", i);
  fclose(out);
  symlink("a", "folder/b");
  rename("folder/a", "folder/c");
  struct stat info;
  printf("%d %ld %o\n", stat("folder/c", &info), (long)info.st_size, info.st_mode);
  printf("%d %d\n", stat("folder/b", &info), errno);
  printf("%d %o\n", lstat("folder/b", &info), info.st_mode & S_IFMT);

  DIR* const folder = opendir("folder");
  char* names[8];
  size_t count = 0;
  for (struct dirent* each; (each = readdir(folder)) != NULL;) names[count++] = strdup(each->d_name);
  closedir(folder);
  qsort(names, count, sizeof *names, compare);
  for (size_t i = 0; i < count; ++i) printf("%s ", names[i]);

  int const file = open("folder/c", O_RDONLY);
  char const* const mapped = mmap(NULL, 48890, PROT_READ, MAP_PRIVATE, file, 0);
  printf("%.4s %.4s %ld\n", mapped, mapped + 48886, (long)lseek(file, -5, SEEK_END));
  printf("%d %.5s\n", (int)read(file, line, sizeof line), line);
  printf("%d %d\n", (int)pread(file, (char*)16, 5, 0), errno);
  printf("%d %d\n", (int)write(1, (char*)-4096, 5), errno);
  printf("%d %d\n", open((char*)8, O_RDONLY), errno);

  char* grown = malloc(1 << 20);
  memset(grown, 7, 1 << 20);
  grown = realloc(grown, 64 << 20);
  printf("%d %d\n", grown[(1 << 20) - 1], grown[1 << 20] == 0);
  printf("%d %d\n", chdir("folder"), access("c", R_OK));
  printf("%s\n", strrchr(getcwd(line, sizeof line), '/'));
  printf("%d %d\n", unlink("nothing"), errno);
  printf("%d %d %d\n", unlink("b"), unlink("c"), rmdir("../folder"));
  return 3;
}
