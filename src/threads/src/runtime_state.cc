#include "runtime_state.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <span>
#include <thread>
#include <utility>

#include "mutirao/base/check.h"

#include "context.h"
#include "debugger.h"
#include "execute.h"
#include "park_access.h"
#include "stack_overflow.h"
#include "ticks.h"

namespace mutirao::threads {

namespace {
constexpr std::size_t kPicksEachTurn = 61;

/// A processor's counter has one writer, so that adding to it needs no lock of the bus.
void count(std::atomic<std::uint64_t>* own, std::atomic<std::uint64_t>& elsewhere) noexcept {
  if (own != nullptr) {
    own->store(own->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  } else {
    elsewhere.fetch_add(1, std::memory_order_relaxed);
  }
}

/// With thousands of ready threads each switch would wait for memory three times over: for the
/// control block, and by what that says for the frames, each behind a walk of the page tables. So
/// the block is asked for some switches early, and when it is there, the frames.
void fetch_ahead(run_queue const& queue) noexcept {
  // One that a thief has been given meanwhile may have ended: its stack is still mapped, so a look
  // there does no harm, but for a sanitizer.
  if (kSanitized) return;
  constexpr std::uint32_t kFrames = 2;
  constexpr std::uint32_t kBlock = 5;
  thread_control* const later = queue.peek(kBlock);
  if (later == nullptr) return;
  __builtin_prefetch(later, 1);
  __builtin_prefetch(reinterpret_cast<std::byte*>(later) + 64, 1);
  thread_control const* const soon = queue.peek(kFrames);
  if (soon == nullptr) return;
  auto const* const frames = static_cast<std::byte const*>(lowest(soon->context));
  __builtin_prefetch(frames, 1);
  __builtin_prefetch(frames + 64, 1);
}
}  // namespace

runtime::state::state(runtime_options chosen)
    : options{std::move(chosen)}, lwps{*this}, watch{*this} {
  if (options.simulated) {
    simulated = std::make_unique<simulation>(options.simulated->seed);
    options.processors = 1;
  } else {
    io = std::make_unique<poller>(options.use_io_uring);
  }
  if (options.processors == 0)
    options.processors = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < options.processors; ++i) {
    processors.push_back(std::make_unique<processor>());
    processors.back()->index = i;
  }
  MUT_ASSERT(!options.migrate_always || (processors.size() > 1 && !simulated));
  install_overflow_handler();
  show_to_debugger(*this);
}

runtime::state::~state() {
  hide_from_debugger(*this);
  for (auto const& each : processors) stacks.empty(each->stacks);
}

thread_control* runtime::state::make_thread(stack_size stack) {
  processor* const own = own_processor();
  auto const block = stacks.take(stack, own != nullptr ? &own->stacks : nullptr);
  if (!block) return nullptr;
  // Stacks lie at a regular distance, so that what each thread uses most would fall into the same
  // few sets of the caches; so every one starts a few lines further down than its neighbour. The
  // control block and the frames of a parked thread still fit into one page.
  std::size_t const colour =
      reinterpret_cast<std::uintptr_t>(block->low) / stack_pool::kGuardSize % 29 * 64;
  auto* const top = block->low + block->size - (sizeof(thread_control) + 63) / 64 * 64 - colour;
  auto* const thread = ::new (top) thread_control;
  thread->scheduler = this;
  thread->stack = *block;
  if (lwp const* const here = current_lwp(); here != nullptr) thread->born = here->picked_at;
  thread->id = new_id(own);
  count(own != nullptr ? &own->born : nullptr, born_elsewhere);
  prepare_context(*thread);
  return thread;
}

void runtime::state::destroy_thread(thread_control& thread) noexcept {
  bool const root = thread.home == nullptr;
  if (root) {
    spin_guard const guard{main_lock_};
    main_ = nullptr;
  }
  stack_block const block = thread.stack;
  thread.~thread_control();
  processor* const own = own_processor();
  stacks.give_back(block, own != nullptr ? &own->stacks : nullptr);
  count(own != nullptr ? &own->died : nullptr, died_elsewhere);
  if (stacks.has_excess()) {
    if (simulated) {
      stacks.trim();
    } else {
      watch.note_activity();
    }
  }
  // It ends last: every other thread has an owner that waits for it.
  if (root && roots.fetch_sub(1, std::memory_order_acq_rel) == 1) end();
}

std::uint64_t runtime::state::threads_alive() const noexcept {
  auto died = died_elsewhere.load(std::memory_order_relaxed);
  for (auto const& each : processors) died += each->died.load(std::memory_order_relaxed);
  auto born = born_elsewhere.load(std::memory_order_relaxed);
  for (auto const& each : processors) born += each->born.load(std::memory_order_relaxed);
  return born - died;
}

processor* runtime::state::own_processor() const noexcept {
  if (simulated) return processors.front().get();
  lwp* const here = current_lwp();
  if (here == nullptr || here->scheduler != this || here->own == nullptr) return nullptr;
  return here->own->relief ? nullptr : here->own;
}

std::uint64_t runtime::state::new_id(processor* own) noexcept {
  if (own == nullptr) return ids.fetch_add(1, std::memory_order_relaxed) + 1;
  constexpr std::uint64_t kAtOnce = 256;
  if (own->next_id == own->ids_end) {
    own->next_id = ids.fetch_add(kAtOnce, std::memory_order_relaxed) + 1;
    own->ids_end = own->next_id + kAtOnce;
  }
  return own->next_id++;
}

void runtime::state::ready(thread_control& thread) noexcept {
  thread.phase.store(thread_state::ready, std::memory_order_relaxed);
  if (simulated) {
    simulated->add(thread);
    return;
  }
  if (options.migrate_always) [[unlikely]] {
    send_elsewhere(thread);
    return;
  }
  lwp* const here = current_lwp();
  if (here != nullptr && here->scheduler == this && here->own != nullptr && !here->own->relief) {
    push_local(*here, thread);
  } else {
    inject(thread);
  }
}

/// Of a thread that has just given way on `here`.
void runtime::state::put_back(lwp& here, thread_control& thread) noexcept {
  if (simulated || options.migrate_always || here.own->relief) [[unlikely]] {
    ready(thread);
    return;
  }
  thread.phase.store(thread_state::ready, std::memory_order_relaxed);
  push_local(here, thread);
}

void runtime::state::push_local(lwp& here, thread_control& thread) noexcept {
  auto& queue = here.own->queue;
  // A single ready thread is left for this processor: most often the running one parks at once, and
  // waking an LWP would cost more than the switch. The slice, or the monitor, sees to the rest.
  if (queue.empty()) {
    queue.push(&thread);
    return;
  }
  // Before the look at `idle`, as an LWP that falls asleep looks at the queues after it has counted
  // itself there. From between two threads the next pick comes first, which looks again.
  queue.push(&thread, here.running != nullptr ? run_queue::seen::at_once : run_queue::seen::soon);
  notify_idle();
}

void runtime::state::inject(thread_control& thread) noexcept {
  thread.phase.store(thread_state::ready, std::memory_order_relaxed);
  if (options.migrate_always) [[unlikely]] {
    send_elsewhere(thread);
    return;
  }
  shared.push(&thread);
  notify_idle();
}

void runtime::state::send_elsewhere(thread_control& thread) noexcept {
  std::size_t const others = processors.size() - 1;
  std::size_t const further = 1 + sent_count.fetch_add(1, std::memory_order_relaxed) % others;
  processors[(thread.last_processor + further) % processors.size()]->sent.push(&thread);
  notify_idle();
}

void runtime::state::notify_idle() noexcept {
  if (idle.load(std::memory_order_seq_cst) == 0) return;
  if (notified.load(std::memory_order_relaxed) ||
      notified.exchange(true, std::memory_order_seq_cst))
    return;
  io->wake();
}

bool runtime::state::work_queued() const noexcept {
  if (shared.size() > 0) return true;
  return std::ranges::any_of(
      processors, [](auto const& each) { return !each->queue.empty() || each->sent.size() > 0; });
}

TimePoint runtime::state::earliest_timer() const noexcept {
  TimePoint earliest = TimePoint::max();
  for (auto const& each : processors) earliest = std::min(earliest, each->timers.earliest());
  return earliest;
}

bool runtime::state::work_for(processor const& own) const noexcept {
  return options.migrate_always ? shared.size() > 0 || own.sent.size() > 0 : work_queued();
}

TimePoint runtime::state::now() const noexcept {
  return simulated ? simulated->now() : kernel_now();
}

timer_heap& runtime::state::timers() noexcept {
  if (simulated) return simulated->timers;
  lwp* const here = current_lwp();
  MUT_ASSERT(here->own != nullptr);  // else: a parking call inside a blocking section
  return here->own->relief ? processors.front()->timers : here->own->timers;
}

void runtime::state::serve(lwp& self) {
  processor* held = nullptr;
  for (;;) {
    if (self.own == nullptr) {
      held = nullptr;
      if (!self.caller) self.own = lwps.rest(self);
      if (self.own == nullptr) return;
    }
    if (std::exchange(held, self.own) != self.own) {
      self.own->looks_in = 1;
      self.own->holder.store(self.number, std::memory_order_relaxed);
    }
    thread_control* const next = self.own->relief ? next_thread_of_relief(self) : next_thread(self);
    if (next != nullptr) {
      execute(self, *next);
    } else if (ending.load(std::memory_order_acquire)) {
      io->wake();  // a call reaches one LWP, so each passes it on
      return;
    }
  }
}

thread_control* runtime::state::next_thread(lwp& self) noexcept {
  processor& own = *self.own;
  for (;;) {
    if (ending.load(std::memory_order_acquire)) return nullptr;
    begin_slice(self);
    // The shared queue has its turns, or two threads that wake each other for ever would keep
    // everything in it waiting.
    if (own.picks.load(std::memory_order_relaxed) % kPicksEachTurn == 0) {
      if (auto* const next = take_turn(own)) return next;
    }
    if (auto* const next = own.queue.pop()) {
      fetch_ahead(own.queue);
      if (!own.queue.empty()) notify_idle();
      return next;
    }
    if (auto* const next = take_shared(own, shared.size())) return next;
    if (options.migrate_always) [[unlikely]] {
      thread_control* next = nullptr;
      if (own.sent.pop_some({&next, 1}) == 1) return next;
    }
    if (auto* const next = steal(own)) return next;
    wait_for_work(own);
  }
}

/// Takes what waits on the processors into the shared queue, where any LWP finds it, and runs one
/// thread after the other from there. Nothing to do, and another LWP in the poller: no longer
/// needed.
thread_control* runtime::state::next_thread_of_relief(lwp& self) noexcept {
  processor& own = *self.own;
  own.waiting.store(false, std::memory_order_relaxed);
  while (!own.dismissed.load(std::memory_order_relaxed)) {
    if (ending.load(std::memory_order_acquire)) return nullptr;
    begin_slice(self);
    thread_control* next = nullptr;
    if (shared.pop_some({&next, 1}) == 1) return next;
    if ((next = steal(own)) != nullptr) {
      while (thread_control* const more = own.queue.pop()) shared.push(more);
      return next;
    }
    if (idle.load(std::memory_order_seq_cst) > 0) break;
    wait_for_work(own);
  }
  self.own = nullptr;
  own.in_use.store(false, std::memory_order_release);
  // The one in the poller may know nothing of the deadlines that threads have set here.
  if (work_queued() || earliest_timer() != TimePoint::max()) notify_idle();
  return nullptr;
}

/// To read the clock costs as much as the rest of a pick. While threads run for a microsecond or
/// so, every eighth pick does it; as soon as they run for longer, each. A thread that asks by a
/// checkpoint is told by the time since the last look.
void runtime::state::begin_slice(lwp& self) noexcept {
  processor& own = *self.own;
  own.picks.store(own.picks.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (--own.looks_in == 0) [[unlikely]]
    look_at_clock(self);
}

void runtime::state::look_at_clock(lwp& self) noexcept {
  constexpr unsigned kLooksEveryMost = 8;
  processor& own = *self.own;
  auto const now_ticks = ticks();
  auto const slice = slice_ticks.load(std::memory_order_relaxed);
  bool const short_ones = now_ticks - own.looked_at < slice / 16;
  own.looks_every = short_ones ? std::min(2 * own.looks_every, kLooksEveryMost) : 1;
  own.looks_in = own.looks_every;
  own.looked_at = now_ticks;
  own.slice_end = now_ticks + slice;
  self.picked_at = now_ticks;
  if (now_ticks >= own.attend_at) attend(own);
}

/// As many as are a fair part of the picks: so none waits longer in the shared queue than it would
/// in that of a processor.
thread_control* runtime::state::take_turn(processor& own) noexcept {
  std::size_t const waiting = shared.size();
  if (waiting == 0) return nullptr;
  return take_shared(
      own, 1 + kPicksEachTurn * waiting / (waiting + own.queue.size() * processors.size()));
}

/// One to run at once, and the rest of its share, up to `most` in all, for its queue.
thread_control* runtime::state::take_shared(processor& own, std::size_t most) noexcept {
  std::array<thread_control*, 256> taken;
  std::size_t const share = std::min({shared.size() / processors.size() + 1, most, taken.size()});
  std::size_t const count = shared.pop_some(std::span{taken}.first(share));
  if (count == 0) return nullptr;
  for (std::size_t i = 1; i < count; ++i) own.queue.push(taken[i]);
  if (count > 1 || shared.size() > 0) notify_idle();
  return taken[0];
}

thread_control* runtime::state::steal(processor& own) noexcept {
  for (std::size_t i = 1; i <= processors.size(); ++i) {
    processor& victim = *processors[(own.index + i) % processors.size()];
    if (&victim == &own || victim.queue.empty()) continue;
    if (auto* const next = own.queue.steal_from(victim.queue)) {
      own.steals.fetch_add(1, std::memory_order_relaxed);
      if (!own.queue.empty()) notify_idle();
      return next;
    }
  }
  return nullptr;
}

void runtime::state::wait_for_work(processor& own) noexcept {
  idle.fetch_add(1, std::memory_order_seq_cst);
  // Whoever queues a thread looks at `idle` afterwards; so either it sees this LWP or this LWP sees
  // the thread.
  TimePoint until = TimePoint::min();
  if (!work_for(own) && !ending.load(std::memory_order_seq_cst)) {
    until = earliest_timer();
  }
  // A call reaches any LWP, and what was sent to this one nobody else can take.
  if (options.migrate_always) until = std::min(until, kernel_now() + 100us);
  // It looks now and then whether another minds the poller by now.
  if (own.relief) until = std::min(until, kernel_now() + 50ms);
  own.waiting.store(true, std::memory_order_relaxed);
  bool const called = until == TimePoint::min() ? io->harvest() : io->wait(until);
  own.waiting.store(false, std::memory_order_relaxed);
  idle.fetch_sub(1, std::memory_order_seq_cst);
  watch.note_activity();
  if (called) notified.store(false, std::memory_order_seq_cst);
  fire_timers();
  if (stop_asked.load(std::memory_order_acquire)) deliver_stop();
  own.attend_at = ticks() + slice_ticks.load(std::memory_order_relaxed);
  own.looks_in = 1;
}

bool runtime::state::attend_if_due(lwp& self) noexcept {
  processor& own = *self.own;
  auto const now_ticks = ticks();
  if (now_ticks < own.slice_end) [[likely]]
    return false;
  attend(own);
  own.slice_end = now_ticks + slice_ticks.load(std::memory_order_relaxed);
  own.looks_in = 1;
  if (own.queue.empty() && shared.size() == 0) return false;
  notify_idle();
  return true;
}

void runtime::state::attend(processor& own) noexcept {
  auto const now_ticks = ticks();
  own.attend_at = now_ticks + slice_ticks.load(std::memory_order_relaxed);
  calibrate(now_ticks, kernel_now());
  fire_timers();
  // The call was for an LWP that waits; but whoever gets it takes care that nobody is needed.
  if (io->harvest()) {
    notified.store(false, std::memory_order_seq_cst);
    if (own.queue.size() > 1 || shared.size() > 0) notify_idle();
  }
  if (stop_asked.load(std::memory_order_acquire)) deliver_stop();
}

bool runtime::state::lend(processor& taken, std::uint64_t hold) noexcept {
  return lwps.lend(taken, [&] {
    if (!taken.hold.compare_exchange_strong(hold, hold + 1, std::memory_order_seq_cst))
      return false;
    lent.fetch_add(1, std::memory_order_relaxed);
    return true;
  });
}

void runtime::state::mind_poller() noexcept {
  if (io->harvest()) notified.store(false, std::memory_order_seq_cst);
  fire_timers();
}

void runtime::state::fire_timers() noexcept {
  TimePoint now = TimePoint::min();
  for (auto const& each : processors) {
    if (each->timers.earliest() == TimePoint::max()) continue;
    if (now == TimePoint::min()) now = kernel_now();
    for (timer* due = each->timers.take_due(now); due != nullptr;) {
      timer* const next = due->next_fired;
      ready(park_access::owner(*due->token));
      due = next;
    }
  }
}

void runtime::state::calibrate(std::uint64_t ticks_now, TimePoint now) noexcept {
  auto const passed = now - started_at_;
  if (passed < 1ms) return;
  double const ticks_per_ns =
      static_cast<double>(ticks_now - ticks_at_start_) / static_cast<double>(passed.count());
  slice_ticks.store(static_cast<std::uint64_t>(ticks_per_ns * 100'000.0),
                    std::memory_order_relaxed);
}

std::uint64_t runtime::state::stamp() const noexcept {
  return simulated ? static_cast<std::uint64_t>(simulated->now().time_since_epoch().count())
                   : ticks();
}

Duration runtime::state::between(std::uint64_t earlier, std::uint64_t later) const noexcept {
  if (earlier == 0 || earlier > later) return Duration::zero();
  if (simulated) return Duration{static_cast<Duration::rep>(later - earlier)};
  auto const ticks_per_ns =
      static_cast<double>(slice_ticks.load(std::memory_order_relaxed)) / 100'000.0;
  return Duration{static_cast<Duration::rep>(static_cast<double>(later - earlier) / ticks_per_ns)};
}

unsigned runtime::state::own_kernel_threads() const noexcept {
  unsigned const its_monitor = 1;
  return lwps.alive() + lwps.callers_waiting() + its_monitor +
         reporters.load(std::memory_order_relaxed);
}

void runtime::state::run(std::move_only_function<void()> main) {
  MUT_ASSERT(current_lwp() == nullptr);  // a plain LWP
  ending.store(false, std::memory_order_relaxed);
  escaped_ = nullptr;
  ticks_at_start_ = ticks();
  started_at_ = kernel_now();
  start_main(std::move(main));
  if (simulated) {
    run_simulated();
  } else {
    lwps.limit_heaps();
    watch.start();
    // A processor whose LWP the system refuses stays empty; the caller serves the first one itself,
    // so that one there is always.
    for (auto const& each : std::span{processors}.subspan(1)) each->in_use = lwps.start(*each);
    lwps.serve_on_caller(*processors.front());
    ending.wait(false, std::memory_order_acquire);
    // The monitor first: it starts spare LWPs, and none may come once the others are sent home.
    watch.stop();
    lwps.close();
    idle.store(0, std::memory_order_relaxed);
  }
  if (escaped_) std::rethrow_exception(std::exchange(escaped_, nullptr));
}

void runtime::state::start_main(std::move_only_function<void()> main) {
  thread_control* const first = make_thread(stack_size::huge);
  MUT_ASSERT(first != nullptr);
  first->name = "main";
  first->body = [this, body = std::move(main)]() mutable -> Result<void> {
    try {
      body();
    } catch (...) {
      escaped_ = std::current_exception();
    }
    return {};
  };
  first->born = stamp();
  roots.store(1, std::memory_order_relaxed);
  {
    spin_guard const guard{main_lock_};
    main_ = first;
  }
  if (simulated) {
    simulated->add(*first);
  } else {
    shared.push(first);
  }
}

void runtime::state::end() noexcept {
  ending.store(true, std::memory_order_seq_cst);
  if (simulated) return;
  io->wake();
  ending.notify_all();
}

void runtime::state::request_stop() noexcept {
  stop_asked.store(true, std::memory_order_release);
  if (io) io->wake();
}

void runtime::state::deliver_stop() noexcept {
  if (!stop_asked.exchange(false, std::memory_order_acq_rel)) return;
  spin_guard const guard{main_lock_};
  if (main_ != nullptr) stop_thread(*main_);
}

}  // namespace mutirao::threads
