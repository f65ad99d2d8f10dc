#include "poller.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mutirao/base/check.h"

#include "ticks.h"

namespace mutirao::threads {

namespace {
constexpr int kNeedlessMax = 8;
constexpr std::size_t kChunk = 256;
constexpr std::size_t kBatch = 128;
// Tags in place of an entry's address.
constexpr std::uint64_t kCallTag = 1;
constexpr std::uint64_t kFilesTag = 2;

[[noreturn]] void cannot_start(char const* what) {
  std::perror(what);
  std::fputs("mutirao: the poller can't start; is the limit of open files too low (ulimit -n)?\n",
             stderr);
  std::abort();
}

void watch(int epoll, int descriptor, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) cannot_start("epoll_ctl");
}

/// Whether somebody waited.
bool make_ready(std::atomic<std::uintptr_t>& side) noexcept {
  auto seen = side.load(std::memory_order_acquire);
  std::uintptr_t next;
  do {
    if (seen == kReady) return false;
    next = seen == 0 ? kReady : 0;  // a waiter that is woken looks again by itself
  } while (!side.compare_exchange_weak(seen, next, std::memory_order_acq_rel));
  if (seen == 0) return false;
  reinterpret_cast<park_token*>(seen)->unpark();
  return true;
}

bool waited_for(std::atomic<std::uintptr_t> const& side) noexcept {
  return side.load(std::memory_order_seq_cst) > kReady;
}

timespec until_as_timespec(Duration left) noexcept {
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {seconds.count(), (left - seconds).count()};
}
}  // namespace

poller::poller(bool use_io_uring)
    : epoll_{epoll_create1(EPOLL_CLOEXEC)}, call_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  if (epoll_ < 0 || call_ < 0) cannot_start("epoll_create1");
  // Never read: each write is an edge of its own.
  watch(epoll_, call_, EPOLLIN | EPOLLET, kCallTag);
  if (!use_io_uring) {
    files_refused_ = "switched off";
    return;
  }
  files_.emplace();
  if (auto const refused = files_->open()) {
    files_refused_ = *refused;
    files_.reset();
    return;
  }
  watch(epoll_, files_->descriptor(), EPOLLIN | EPOLLET, kFilesTag);
}

poller::~poller() {
  files_.reset();
  close(call_);
  close(epoll_);
}

bool poller::harvest() { return harvest(0, TimePoint::min()); }

bool poller::wait(TimePoint until) { return harvest(-1, until); }

bool poller::harvest(int timeout_ms, TimePoint until) {
  std::array<epoll_event, kBatch> events;
  int count = 0;
  if (timeout_ms == 0 || until == TimePoint::max()) {
    count = epoll_wait(epoll_, events.data(), events.size(), timeout_ms);
  } else {
    auto const left = std::max(until - kernel_now(), Duration::zero());
    auto const timeout = until_as_timespec(left);
    count = epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
    if (count < 0 && errno == ENOSYS) {
      auto const whole = std::chrono::ceil<std::chrono::milliseconds>(std::min<Duration>(left, 1h));
      count = epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(whole.count()));
    }
  }
  bool called = false;
  for (int i = 0; i < count; ++i) {
    auto const& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kCallTag) {
      called = true;
    } else if (event.data.u64 == kFilesTag) {
      files_->harvest();
    } else {
      take_event(*static_cast<pollable::state*>(event.data.ptr), event.events);
    }
  }
  return called;
}

void poller::take_event(pollable::state& entry, std::uint32_t events) noexcept {
  bool const ended = (events & (EPOLLERR | EPOLLHUP)) != 0;
  bool useful = false;
  if (ended || (events & (EPOLLIN | EPOLLRDHUP)) != 0) useful = make_ready(entry.reader) || useful;
  if (ended || (events & EPOLLOUT) != 0) useful = make_ready(entry.writer) || useful;
  if (entry.on_demand.load(std::memory_order_seq_cst)) {
    // The one event has disarmed both directions.
    if (waited_for(entry.reader) || waited_for(entry.writer)) arm(entry);
    return;
  }
  int const before = entry.needless.load(std::memory_order_relaxed);
  int const balance = std::max(0, before + (useful ? -1 : 1));
  if (balance != before) entry.needless.store(balance, std::memory_order_relaxed);
  if (balance < kNeedlessMax) return;
  entry.on_demand.store(true, std::memory_order_seq_cst);
  arm(entry);
}

void poller::arm(pollable::state& entry) noexcept {
  spin_guard const guard{entry.arm_lock};
  // A late event may concern the entry's next user, or nobody.
  if (entry.descriptor < 0 || !entry.on_demand.load(std::memory_order_relaxed)) return;
  epoll_event event{};
  event.events = EPOLLONESHOT | EPOLLET;
  if (waited_for(entry.reader)) event.events |= EPOLLIN | EPOLLRDHUP;
  if (waited_for(entry.writer)) event.events |= EPOLLOUT;
  event.data.ptr = &entry;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, entry.descriptor, &event);
}

void poller::wake() noexcept {
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const written = write(call_, &one, sizeof one);
}

void poller::set_ready(pollable::state& entry) noexcept {
  make_ready(entry.reader);
  make_ready(entry.writer);
}

pollable::state& poller::add(int descriptor) {
  pollable::state* entry = nullptr;
  {
    spin_guard const guard{pool_lock_};
    if (free_ == nullptr) {
      chunks_.push_back(std::make_unique<pollable::state[]>(kChunk));
      for (std::size_t i = 0; i < kChunk; ++i) {
        chunks_.back()[i].next_free = free_;
        free_ = &chunks_.back()[i];
      }
    }
    entry = free_;
    free_ = entry->next_free;
  }
  spin_guard const guard{entry->arm_lock};
  entry->descriptor = descriptor;
  entry->on_demand.store(false, std::memory_order_relaxed);
  entry->needless.store(0, std::memory_order_relaxed);
  entry->home = this;
  entry->interrupted.store(false, std::memory_order_relaxed);
  entry->reader.store(0, std::memory_order_relaxed);
  entry->writer.store(0, std::memory_order_relaxed);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = entry;
  // Fails for what can't be polled, such as a regular file: always ready then.
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    MUT_ASSERT(errno != EBADF && errno != EEXIST);
    set_ready(*entry);
  }
  return *entry;
}

void poller::remove(pollable::state& entry) noexcept {
  {
    spin_guard const guard{entry.arm_lock};
    // Closing is not enough when the descriptor has a duplicate.
    epoll_ctl(epoll_, EPOLL_CTL_DEL, entry.descriptor, nullptr);
    close(entry.descriptor);
    entry.descriptor = -1;
  }
  spin_guard const guard{pool_lock_};
  entry.next_free = free_;
  free_ = &entry;
}

}  // namespace mutirao::threads
