#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/mutex.h"

#include "firmware/sbi.h"
#include "hart/hart_engine.h"
#include "translator/frame.h"

namespace mutirao::machine {

/// A hart with what executes it, and what others ask of it.
///
/// Its state, its TLB and its translated code belong to the thread that runs it, without locks.
/// What others want there (to drop a translation, or code that was written to) they ask for, and
/// the thread does it between two blocks. A hart that stands still is *open*: then whoever asks
/// does it himself, so that one that sleeps is not woken for it, and two that wait for each other's
/// answers answer all the same.
class HartUnit final : public HartCaller {
 public:
  using State = Sbi::Platform::HartState;

  /// `memory` outlives this.
  HartUnit(unsigned number, GuestMemory& memory);

  [[nodiscard]] Hart& hart() noexcept { return frame_->hart; }
  [[nodiscard]] Hart const& hart() const noexcept { return frame_->hart; }
  [[nodiscard]] HartFrame& frame() noexcept { return *frame_; }
  [[nodiscard]] unsigned number() const noexcept { return number_; }
  /// Set before the hart runs.
  std::unique_ptr<HartEngine> engine;

  [[nodiscard]] State state() const noexcept { return state_.load(); }
  /// Not while threads run.
  void set_state(State state) noexcept { state_ = state; }

  /// What is asked of a hart.
  struct Request {
    enum class Kind : std::uint8_t {
      forget_code,  ///< what was made from the code at `address`
      watch_page,   ///< all stores to the page at `address` are to be told of
      fence,        ///< `range`
      start,        ///< at `address`, with `argument`, if it is stopped
      settle,       ///< nothing but what was asked before
    };
    Kind kind;
    GuestAddress address = 0;
    std::uint64_t size = 0;
    std::uint64_t argument = 0;
    RangeFence range{};
    HartUnit* asker = nullptr;  ///< waits for the answer
  };
  /// Has it done as soon as may be. From any thread; not that of the hart if there is an asker.
  void ask(Request const& request);

  // On the thread of the hart

  /// Lets `ask` be called for any number of others with this as the asker, and waits for them all.
  /// Meanwhile this hart is open. False if one of them refused.
  template <class Ask>
  bool wait_for_answers(Ask const& ask_others) {
    open();
    ask_others();
    return close_when_answered();
  }
  /// Does what was asked.
  void serve();
  /// Until it is called, or an interrupt is there that it waits for.
  void sleep(Deadline deadline);
  /// It runs on this thread from now, or on none.
  void begin();
  void end();

  void called() noexcept override;

  /// Instructions begun, as last said; from any thread.
  [[nodiscard]] std::uint64_t steps_shown() const noexcept {
    return steps_shown_.load(std::memory_order_relaxed);
  }
  void show_steps() noexcept { steps_shown_.store(hart().steps, std::memory_order_relaxed); }

 private:
  void open();
  [[nodiscard]] bool close_when_answered();
  void answered();
  void carry_out(Request const& request);
  void serve_locked(std::unique_lock<threads::mutex>& lock);

  unsigned const number_;
  GuestMemory& memory_;
  std::unique_ptr<HartFrame> frame_;
  std::atomic<State> state_{State::stopped};
  std::atomic<std::uint64_t> steps_shown_{0};

  threads::mutex mutex_;
  threads::condition_variable changed_;
  bool open_ = true;
  std::vector<Request> requests_;
  std::atomic<bool> asleep_{false};
  std::atomic<unsigned> unanswered_{0};  // of what this one asked
  std::atomic<bool> refused_{false};
};

}  // namespace mutirao::machine
