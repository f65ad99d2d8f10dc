// What small processors are measured by: a linked list that is searched, reversed and sorted,
// matrices of 16 bits, a state machine that reads numbers, and a CRC over all of it.
#include "programs.h"

enum { kNodes = 400, kSide = 24, kText = 600, kIterations = 9000 };

struct node {
  struct node* next;
  int16_t key;
  uint16_t place;
};

static uint16_t crc16(uint16_t crc, uint16_t value) {
  for (int bit = 0; bit < 16; ++bit) {
    unsigned const out = (crc ^ value) & 1u;
    crc = (uint16_t)(crc >> 1);
    value = (uint16_t)(value >> 1);
    if (out) crc ^= 0xa001u;
  }
  return crc;
}

// --- the list

static int by_key(struct node const* a, struct node const* b) { return a->key - b->key; }
static int by_place(struct node const* a, struct node const* b) { return a->place - b->place; }

static struct node* merge_sorted(struct node* list,
                                 int (*compare)(struct node const*, struct node const*)) {
  for (int run = 1;; run *= 2) {
    struct node *rest = list, **end = &list;
    int merges = 0;
    while (rest != NULL) {
      ++merges;
      struct node *left = rest, *right = rest;
      int left_size = 0, right_size = run;
      for (; left_size < run && right != NULL; ++left_size) right = right->next;
      while (left_size > 0 || (right_size > 0 && right != NULL)) {
        int const take_left =
            left_size > 0 && (right_size == 0 || right == NULL || compare(left, right) <= 0);
        struct node* const taken = take_left ? left : right;
        if (take_left) {
          left = left->next;
          --left_size;
        } else {
          right = right->next;
          --right_size;
        }
        *end = taken;
        end = &taken->next;
      }
      rest = right;
    }
    *end = NULL;
    if (merges <= 1) return list;
  }
}

static struct node* reversed(struct node* list) {
  struct node* done = NULL;
  while (list != NULL) {
    struct node* const next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

static uint16_t list_work(struct node** list, int turn, uint16_t crc) {
  int found = 0;
  for (int wanted = 0; wanted < 12; ++wanted) {
    struct node const* at = *list;
    while (at != NULL && (at->key & 0xff) != ((turn + wanted * 19) & 0xff)) at = at->next;
    if (at != NULL) found += at->place;
    *list = reversed(*list);
  }
  crc = crc16(crc, (uint16_t)found);
  if (turn % 8 == 0) {
    *list = merge_sorted(*list, by_key);
    crc = crc16(crc, (uint16_t)(*list)->key);
    *list = merge_sorted(*list, by_place);
  }
  return crc;
}

// --- the matrices

static int16_t left_matrix[kSide][kSide], right_matrix[kSide][kSide];
static int32_t product[kSide][kSide];

static uint16_t matrix_work(int turn, uint16_t crc) {
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) left_matrix[i][j] = (int16_t)(left_matrix[i][j] + turn);
  int32_t sum = 0;
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) {
      int32_t cell = 0;
      for (int k = 0; k < kSide; ++k) {
        int32_t const part = left_matrix[i][k] * right_matrix[k][j];
        cell += ((part >> 2) & 15) * ((part >> 5) & 127);
      }
      product[i][j] = cell;
      sum += cell > product[j][i] ? 10 : cell & 3;
    }
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) left_matrix[i][j] = (int16_t)(left_matrix[i][j] - turn);
  return crc16(crc, (uint16_t)sum);
}

// --- the state machine

enum state { kStart, kSign, kInteger, kFraction, kExponent, kPower, kInvalid, kStates };

static int is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

static enum state next_state(enum state state, unsigned char c) {
  switch (state) {
    case kStart:
      return is_digit(c)            ? kInteger
             : c == '+' || c == '-' ? kSign
             : c == '.'             ? kFraction
                                    : kInvalid;
    case kSign:
      return is_digit(c) ? kInteger : c == '.' ? kFraction : kInvalid;
    case kInteger:
      return is_digit(c) ? kInteger : c == '.' ? kFraction : c == 'e' ? kExponent : kInvalid;
    case kFraction:
      return is_digit(c) ? kFraction : c == 'e' ? kExponent : kInvalid;
    case kExponent:
      return is_digit(c) || c == '-' ? kPower : kInvalid;
    case kPower:
      return is_digit(c) ? kPower : kInvalid;
    default:
      return kInvalid;
  }
}

static uint16_t state_work(unsigned char* text, int turn, uint16_t crc) {
  unsigned ended[kStates] = {0}, seen[kStates] = {0};
  for (int i = turn % 7; i < kText; i += 13) text[i] ^= 1;
  enum state state = kStart;
  for (int i = 0; i < kText; ++i) {
    if (text[i] == ',') {
      ++ended[state];
      state = kStart;
    } else {
      state = next_state(state, text[i]);
      ++seen[state];
    }
  }
  for (int i = turn % 7; i < kText; i += 13) text[i] ^= 1;
  for (int i = 0; i < kStates; ++i) crc = crc16(crc16(crc, (uint16_t)ended[i]), (uint16_t)seen[i]);
  return crc;
}

struct outcome core(void) {
  static struct node nodes[kNodes];
  static unsigned char text[kText];
  uint64_t random = 7;
  for (int i = 0; i < kNodes; ++i) {
    nodes[i] = (struct node){i + 1 < kNodes ? &nodes[i + 1] : NULL,
                             (int16_t)(random_next(&random) >> 50), (uint16_t)i};
  }
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) {
      left_matrix[i][j] = (int16_t)(random_next(&random) >> 52);
      right_matrix[i][j] = (int16_t)(random_next(&random) >> 52);
    }
  for (int i = 0; i < kText; ++i)
    text[i] = (unsigned char)"0123456789,,+-.e0123,17,8.5,x"[random_next(&random) % 29];

  struct node* list = nodes;
  uint16_t crc = 0xffff;
  uint64_t sum = 0;
  for (int turn = 0; turn < kIterations; ++turn) {
    crc = list_work(&list, turn, crc);
    crc = matrix_work(turn, crc);
    crc = state_work(text, turn, crc);
    sum = mixed(sum, crc);
  }
  return exactly(sum);
}
