#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/threads/runtime.h"

#include "lwp.h"
#include "lwp_pool.h"
#include "monitor.h"
#include "poller.h"
#include "run_queue.h"
#include "simulation.h"
#include "stack_pool.h"
#include "thread_control.h"

namespace mutirao::threads {

/// The scheduler. Real: LWPs take ready threads from their processor's queue, the shared queue, the
/// poller and the other processors, in that order, and wait in the poller when there is nothing.
/// Simulated: one LWP, a drawn order and virtual time (see simulation.h).
struct runtime::state {
  explicit state(runtime_options chosen);
  ~state();

  void run(std::move_only_function<void()> main);

  /// A new thread, not started; nullptr when there is no memory for its stack.
  [[nodiscard]] thread_control* make_thread(stack_size stack);
  void destroy_thread(thread_control& thread) noexcept;
  /// Threads that were made and have not ended: about right while they come and go.
  [[nodiscard]] std::uint64_t threads_alive() const noexcept;

  /// Makes a thread run soon. From any LWP; afterwards the thread may be gone already.
  void ready(thread_control& thread) noexcept;
  /// As ready(), but not on the caller's processor in particular.
  void inject(thread_control& thread) noexcept;

  [[nodiscard]] TimePoint now() const noexcept;
  [[nodiscard]] timer_heap& timers() noexcept;

  /// The life of an LWP: runs threads until the runtime ends.
  void serve(lwp& self);
  /// Runs `thread` on this LWP until it has to wait or has ended.
  void execute(lwp& self, thread_control& thread) noexcept;
  /// For a thread that keeps running: looks after timers and the poller when it is time, and says
  /// whether the thread should give way.
  [[nodiscard]] bool attend_if_due(lwp& self) noexcept;

  /// Wakes an LWP that waits for work, if there is one and none is on its way.
  void notify_idle() noexcept;
  [[nodiscard]] bool work_queued() const noexcept;
  /// The earliest deadline of all processors; max() when there is none.
  [[nodiscard]] TimePoint earliest_timer() const noexcept;
  void request_stop() noexcept;
  /// Takes a processor away from an LWP that is in a blocking section, `hold` says in which, and
  /// gives it to a spare one. False when that section has ended, or no LWP can be had.
  bool lend(processor& taken, std::uint64_t hold) noexcept;
  /// Makes ready whoever has an event or a deadline that passed. Any LWP.
  void mind_poller() noexcept;

  /// When it is, in the unit of thread_control::since.
  [[nodiscard]] std::uint64_t stamp() const noexcept;
  [[nodiscard]] Duration between(std::uint64_t earlier, std::uint64_t later) const noexcept;

  /// Calls `see` with the first thread, which can't end meanwhile; not at all when it has.
  template <class See>
  void with_main(See&& see) {
    spin_guard const guard{main_lock_};
    if (main_ != nullptr) see(*main_);
  }
  /// Ends the program when its threads wait for each other alone. For when all is quiet.
  void look_for_deadlock();
  /// Kernel threads that belong to this runtime.
  [[nodiscard]] unsigned own_kernel_threads() const noexcept;

  runtime_options options;
  std::vector<std::unique_ptr<processor>> processors;
  stack_pool stacks;
  shared_queue shared;
  std::unique_ptr<simulation> simulated;
  std::unique_ptr<poller> io;  ///< none when simulated
  lwp_pool lwps;
  monitor watch;

  std::atomic<unsigned> sent_count{0};  ///< with migrate_always: threads sent elsewhere
  std::atomic<std::uint64_t> ids{0};
  std::atomic<unsigned> roots{0};  ///< threads without a scope: the first, and those of models
  std::atomic<std::uint64_t> born_elsewhere{0};  ///< by LWPs without a processor
  std::atomic<std::uint64_t> died_elsewhere{0};
  std::atomic<unsigned> idle{0};  ///< processors whose LWP waits in the poller, or is about to
  std::atomic<unsigned> lent{0};  ///< LWPs whose blocking call has lost them their processor
  runtime::state* next_shown = nullptr;  ///< of those that a debugger finds
  std::atomic<unsigned> reporters{0};    ///< kernel threads that wait to report
  std::atomic<bool> notified{false};
  std::atomic<bool> sections_are_lengthy{false};  ///< the last blocking section of any thread was
  std::atomic<bool> stop_asked{false};
  std::atomic<bool> ending{false};
  std::atomic<std::uint64_t> slice_ticks{200'000};  ///< about 100 us

 private:
  friend struct debugger_layout;
  [[nodiscard]] thread_control* next_thread(lwp& self) noexcept;
  [[nodiscard]] thread_control* next_thread_of_relief(lwp& self) noexcept;
  [[nodiscard]] thread_control* take_turn(processor& own) noexcept;
  [[nodiscard]] thread_control* take_shared(processor& own, std::size_t most) noexcept;
  [[nodiscard]] thread_control* steal(processor& own) noexcept;
  [[nodiscard]] processor* own_processor() const noexcept;
  [[nodiscard]] std::uint64_t new_id(processor* own) noexcept;
  void attend(processor& own) noexcept;
  void fire_timers() noexcept;
  void wait_for_work(processor& own) noexcept;
  void begin_slice(lwp& self) noexcept;
  void look_at_clock(lwp& self) noexcept;
  void put_back(lwp& here, thread_control& thread) noexcept;
  void push_local(lwp& here, thread_control& thread) noexcept;
  void send_elsewhere(thread_control& thread) noexcept;
  [[nodiscard]] bool work_for(processor const& own) const noexcept;
  void start_main(std::move_only_function<void()> main);
  void deliver_stop() noexcept;
  void calibrate(std::uint64_t ticks_now, TimePoint now) noexcept;
  void end() noexcept;
  void run_simulated();
  [[noreturn]] void report_deadlock();

  thread_control* main_ = nullptr;
  spin_word main_lock_{0};  ///< held while a stop is delivered, so that the first thread can't end
  std::exception_ptr escaped_;
  std::uint64_t ticks_at_start_ = 0;
  TimePoint started_at_;
};

}  // namespace mutirao::threads
