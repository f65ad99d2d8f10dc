// The mix of a systems program of its time: records behind pointers, short strings, enumerations,
// small procedures and globals. Much of it is spent in strcmp and strcpy of the C library.
#include <string.h>

#include "programs.h"

enum { kIterations = 12000000 };
enum mood { kCalm, kBusy, kLate, kLost, kMoods };
#define NOINLINE __attribute__((noinline, noclone))

struct record {
  struct record* partner;
  enum mood mood;
  int count, limit;
  char name[31];
};

static struct record first, second;
static int table[50], square[50][50];
static int total;
static char last_letter;

NOINLINE static enum mood other_mood(enum mood mood) {
  switch (mood) {
    case kCalm:
      return kBusy;
    case kBusy:
      return total > 100 ? kCalm : kLost;
    case kLate:
      return kBusy;
    default:
      return kLate;
  }
}

NOINLINE static void hand_over(struct record* from) {
  struct record* const to = from->partner;
  *to = *from;
  to->partner = from;
  to->count = 5;
  to->mood = other_mood(to->mood);
  if (to->limit > from->count) {
    to->count += from->count & 7;
    from->mood = other_mood(from->mood);
  } else {
    from->limit = to->limit + 1;
  }
}

NOINLINE static void fill(int row, int value) {
  int const at = row + 5;
  table[at] = value;
  table[at + 1] = table[at];
  table[at + 30 - row] = at;
  for (int i = at; i <= at + 1; ++i) square[at][i] = at;
  ++square[at][at - 1];
  square[at + 10][at] = table[at];
  total += square[at][at - 1] & 3;
}

NOINLINE static int same_letter(char a, char b) {
  char const copy = a;
  if (copy != b) return 0;
  last_letter = copy;
  return 1;
}

NOINLINE static int goes_first(char const* a, char const* b) {
  int at = 1;
  while (at <= 1)
    if (!same_letter(a[at], b[at + 1]))
      ++at;
    else
      break;
  if (strcmp(a, b) <= 0) return 0;
  total += at + 7;
  return 1;
}

struct outcome dhrystone(void) {
  char text[31], other[31];
  first = (struct record){&second, kLate, 17, 40, "A SHORT PROGRAM, SOME STRING"};
  second = (struct record){&first, kCalm, 3, 2, ""};
  strcpy(text, "A SHORT PROGRAM, 1'ST STRING");
  uint64_t sum = 0;
  for (int i = 0; i < kIterations; ++i) {
    int a = 2, b = 3, c;
    strcpy(other, "A SHORT PROGRAM, 2'ND STRING");
    other[29 - (i & 1)] = 0;
    enum mood mood = goes_first(text, other) ? kBusy : kCalm;
    do {
      c = 5 * a - b;
      b = c / (a + (i & 1)) + 1;
      ++a;
    } while (a < 4);
    fill(i & 7, c);
    hand_over(&first);
    for (char letter = 'A'; letter <= (char)('B' + (i & 1)); ++letter)
      if (same_letter(letter, 'C')) mood = other_mood(mood);
    b = (b * c) / (a + 1);
    total = (total + b + (int)mood) & 0xffff;
    first.count = total & 63;
    if ((i & 0xfff) == 0) sum = mixed(sum, (uint64_t)total);
  }
  for (int i = 0; i < 50; ++i) sum = mixed(sum, (uint64_t)(uint32_t)(table[i] + square[i][i]));
  return exactly(mixed(
      sum, (uint64_t)(uint32_t)(second.count + second.limit + (int)second.mood + last_letter)));
}
