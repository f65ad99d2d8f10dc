// Threads that wait for each other.
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;
static long sum;
static __thread int own;

static void* take_turns(void* number) {
  int const mine = (int)(long)number;
  for (int round = 0; round < 100; ++round) {
    pthread_mutex_lock(&mutex);
    while (turn % 4 != mine) pthread_cond_wait(&changed, &mutex);
    sum = sum * 3 % 1000003 + mine;
    ++turn;
    ++own;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
  }
  return (void*)(long)own;
}

int main(void) {
  pthread_t threads[4];
  long rounds = 0;
  for (long i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, take_turns, (void*)i);
  for (int i = 0; i < 4; ++i) {
    void* result;
    pthread_join(threads[i], &result);
    rounds += (long)result;
  }
  printf("%d turns, %ld rounds, sum %ld, own %d\n", turn, rounds, sum, own);
  return 0;
}
