#include "kernel.h"

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <sys/epoll.h>
#include <sys/types.h>
#include <time.h>

#include "lwp_local.h"

namespace mutirao::model {

namespace {
constexpr int kEpoll = 1'000'000;
constexpr int kEventfd = 1'000'001;
constexpr long kStart = 1'000'000'000;

/// Set by a call, taken by the one LWP that sees it: edge-triggered.
std::unique_ptr<atomic<unsigned>> called;
epoll_data_t call_tag{};
long model_time = kStart;
std::multimap<std::size_t, void*> free_maps;
std::array<threads::lwp*, kThreadsMax + 1> lwps{};
std::array<threads::language_state, kThreadsMax + 1> languages{};

int wait_for_call(epoll_event& event, bool waits) {
  for (;;) {
    if (waits) called->wait(0);
    if (called->exchange(0) != 0) {
      event.events = EPOLLIN;
      event.data = call_tag;
      return 1;
    }
    if (!waits) return 0;
  }
}
}  // namespace

void set_time(long nanoseconds) noexcept { model_time = nanoseconds; }
void reset_kernel() {
  called = std::make_unique<atomic<unsigned>>(0u);
  lwps = {};
  model_time = kStart;
}

extern "C" {
// NOLINTBEGIN: the linker's names.
int __real_close(int);
ssize_t __real_write(int, void const*, std::size_t);

int __wrap_epoll_create1(int) { return kEpoll; }
int __wrap_eventfd(unsigned, int) { return kEventfd; }
int __wrap_close(int descriptor) { return descriptor < kEpoll ? __real_close(descriptor) : 0; }

int __wrap_epoll_ctl(int, int what, int descriptor, epoll_event* event) {
  if (what == EPOLL_CTL_ADD && descriptor == kEventfd) call_tag = event->data;
  return 0;
}
int __wrap_epoll_wait(int, epoll_event* events, int, int timeout_ms) {
  return wait_for_call(*events, timeout_ms != 0);
}
int __wrap_epoll_pwait2(int, epoll_event* events, int, timespec const* timeout, sigset_t const*) {
  return wait_for_call(*events, timeout->tv_sec != 0 || timeout->tv_nsec != 0);
}
ssize_t __wrap_write(int descriptor, void const* bytes, std::size_t count) {
  if (descriptor != kEventfd) return __real_write(descriptor, bytes, count);
  called->exchange(1);
  return static_cast<ssize_t>(count);
}

void* __wrap_mmap(void*, std::size_t size, int, int, int, off_t) {
  if (auto const free = free_maps.find(size); free != free_maps.end()) {
    void* const at = free->second;
    free_maps.erase(free);
    return at;
  }
  constexpr std::size_t kAlignment = 1 << 16;
  return std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
}
int __wrap_munmap(void* at, std::size_t size) {
  free_maps.emplace(size, at);
  return 0;
}
int __wrap_mprotect(void*, std::size_t, int) { return 0; }
int __wrap_madvise(void*, std::size_t, int) { return 0; }

int __wrap_clock_gettime(clockid_t, timespec* now) {
  *now = {model_time / kStart, model_time % kStart};
  return 0;
}
// NOLINTEND
}

}  // namespace mutirao::model

namespace mutirao::threads {
// In place of lwp_local.cc: all LWPs of the model run on one kernel thread.
lwp* current_lwp() noexcept { return model::lwps[model::current_thread()]; }
void set_current_lwp(lwp* self) noexcept { model::lwps[model::current_thread()] = self; }
int last_error_number() noexcept { return 0; }
language_cells own_language_cells() noexcept {
  auto& own = model::languages[model::current_thread()];
  return {&own.exceptions, &own.error_number};
}
}  // namespace mutirao::threads
