#include "board/hart_unit.h"

#include <mutex>
#include <utility>

#include "mutirao/base/check.h"

#include "hart/trap.h"

namespace mutirao::machine {

HartUnit::HartUnit(unsigned number, GuestMemory& memory)
    : number_{number}, memory_{memory}, frame_{std::make_unique<HartFrame>()} {
  frame_->hart.id = number;
}

void HartUnit::ask(Request const& request) {
  {
    std::lock_guard const lock{mutex_};
    if (open_) return carry_out(request);
    if (request.asker != nullptr) ++request.asker->unanswered_;
    requests_.push_back(request);
  }
  hart().call();
}

/// On the hart's thread, or with the lock while it is open.
void HartUnit::carry_out(Request const& request) {
  switch (request.kind) {
    case Request::Kind::forget_code:
      return memory_.tell_code_was_written(number_, request.address, request.size);
    case Request::Kind::watch_page:
      return memory_.tell_page_became_code(number_, request.address);
    case Request::Kind::fence:
      return engine->core().mmu.fence(request.range);
    case Request::Kind::start:
      if (state_ != State::stopped) {
        request.asker->refused_ = true;
        return;
      }
      Sbi::enter_kernel(engine->core(), request.address, request.argument);
      state_ = State::started;
      hart().attention = true;
      changed_.notify_all();
      return;
    case Request::Kind::settle:
      return;
  }
}

void HartUnit::serve_locked(std::unique_lock<threads::mutex>& lock) {
  while (!requests_.empty()) {
    auto const requests = std::exchange(requests_, {});
    lock.unlock();
    for (Request const& request : requests) {
      carry_out(request);
      if (request.asker != nullptr) request.asker->answered();
    }
    lock.lock();
  }
}

void HartUnit::serve() {
  std::unique_lock lock{mutex_};
  serve_locked(lock);
}

void HartUnit::answered() {
  if (--unanswered_ != 0) return;
  std::lock_guard const lock{mutex_};
  changed_.notify_all();
}

void HartUnit::open() {
  std::unique_lock lock{mutex_};
  MUT_ASSERT(!open_);
  serve_locked(lock);
  open_ = true;
}

bool HartUnit::close_when_answered() {
  // Harts that run answer within a block or two, which is sooner than a thread wakes up.
  constexpr int kLooks = 500;
  for (int looks = 0; looks < kLooks && unanswered_ != 0; ++looks) __builtin_ia32_pause();
  std::unique_lock lock{mutex_};
  static_cast<void>(changed_.wait(lock, [this] { return unanswered_ == 0; }));
  open_ = false;
  return !refused_.exchange(false);
}

void HartUnit::sleep(Deadline deadline) {
  std::unique_lock lock{mutex_};
  serve_locked(lock);
  auto stopping = State::stopping;
  state_.compare_exchange_strong(stopping, State::stopped);
  open_ = true;
  asleep_ = true;
  auto const called = [this] {
    return hart().attention.load() || (state_ == State::started && wakes(engine->core()));
  };
  static_cast<void>(changed_.wait(lock, called, deadline));
  asleep_ = false;
  open_ = false;
}

void HartUnit::begin() {
  std::lock_guard const lock{mutex_};
  hart().caller = this;
  open_ = false;
}

void HartUnit::end() {
  std::unique_lock lock{mutex_};
  serve_locked(lock);
  open_ = true;
}

void HartUnit::called() noexcept {
  if (!asleep_.load()) return frame_->translation.hurry();
  std::lock_guard const lock{mutex_};
  changed_.notify_all();
}

}  // namespace mutirao::machine
