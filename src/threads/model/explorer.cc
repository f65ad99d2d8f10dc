#include "explorer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>

#include <boost/context/detail/fcontext.hpp>
#include <fmt/format.h>

namespace mutirao::model {

namespace {
using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// A thread's buffer takes part like a thread: its steps are the arrivals of stores in memory.
constexpr unsigned kProcessesMax = 2 * kThreadsMax;
using process_set = std::uint32_t;
constexpr process_set only(unsigned process) noexcept { return 1u << process; }

/// For each process the last of its accesses (index + 1) that certainly came before.
struct clock {
  std::array<std::uint16_t, kProcessesMax> last{};
  void join(clock const& other) noexcept {
    for (unsigned i = 0; i < kProcessesMax; ++i) last[i] = std::max(last[i], other.last[i]);
  }
};

struct operation {
  act what = act::load;
  word const* where = nullptr;
  std::uint64_t compared = 0;
  bool compares = false;
  std::source_location from;
};

struct buffered_store {
  word const* where = nullptr;
  std::uint64_t value = 0;
  clock seen;
};

struct thread_of_model {
  std::string_view name;
  std::move_only_function<void()> body;
  fcontext_t context = nullptr;
  operation next;
  bool ended = false;
  bool background = false;
  std::deque<buffered_store> buffer;
};

struct access {
  std::uint8_t process = 0;
  bool writes = false;
  std::uint64_t value_before = 0;
  int previous_there = -1;
  clock seen;
  word const* where = nullptr;
  std::source_location from;
};

/// A moment at which there was a choice of who goes on.
struct choice {
  process_set enabled = 0;
  process_set to_try = 0;
  process_set tried = 0;
  process_set asleep = 0;
  unsigned chosen = 0;
};

std::uint64_t bits_in(word const& where) noexcept {
  std::uint64_t bits = 0;
  std::memcpy(&bits, where.memory, where.size);
  return bits;
}

std::string_view file_name(std::string_view path) noexcept {
  return path.substr(path.find_last_of('/') + 1);
}
}  // namespace

class explorer {
 public:
  explorer(std::function<void(execution&)> const& scenario, options chosen)
      : scenario_{scenario}, options_{chosen} {
    for (auto& stack : stacks_) stack = std::make_unique<std::byte[]>(kStackSize);
  }

  report run();

  void add_thread(std::string_view name, std::move_only_function<void()> body, bool background);
  void fail(std::string what);
  [[noreturn]] void leave_for_ever();

  [[nodiscard]] bool on_thread() const noexcept { return running_ < kThreadsMax; }
  [[nodiscard]] unsigned running() const noexcept { return running_; }
  void about_to(operation next);
  [[nodiscard]] std::uint64_t read_own(word const& where) const noexcept;
  void write_later(word const& where, std::uint64_t value);
  [[nodiscard]] bool has_flaw(flaw kind, std::source_location const& where);
  void forget(word const& gone) noexcept;

 private:
  static constexpr std::size_t kStackSize = 256 * 1024;

  static void begin(transfer_t from);
  void resume(unsigned thread);
  void run_once();
  [[nodiscard]] bool passable(operation const& next, std::uint64_t value) const noexcept;
  [[nodiscard]] bool enabled(unsigned process) const noexcept;
  [[nodiscard]] process_set all_enabled() const noexcept;
  [[nodiscard]] word const* place_of(unsigned process) const noexcept;
  [[nodiscard]] bool would_write(unsigned process) const noexcept;
  [[nodiscard]] unsigned choose(process_set candidates) const noexcept;
  void perform(unsigned process);
  void note_races(unsigned process, operation const& next, bool writes, clock before);
  void ask_for(int race, unsigned process, clock const& seen);
  [[nodiscard]] bool back_up();
  [[nodiscard]] std::string steps() const;
  [[nodiscard]] std::string blocked() const;

  std::function<void(execution&)> const& scenario_;
  options options_;
  report report_;
  std::array<std::unique_ptr<std::byte[]>, kThreadsMax> stacks_;

  std::vector<choice> choices_;
  std::vector<access> accesses_;
  std::vector<thread_of_model> threads_;
  std::array<clock, kProcessesMax> clocks_;
  unsigned running_ = kThreadsMax;
  fcontext_t home_ = nullptr;
  std::uint64_t execution_ = 0;
  bool exploring_ = false;  ///< else the rest of a redundant execution, run to let it clean up
  std::optional<std::string> failure_;
};

namespace {
// The explorer is one at a time, and the atomics have no other way to find it.
explorer* current = nullptr;
}  // namespace

report explorer::run() {
  do {
    run_once();
    if (failure_) {
      report_.failure = failure_;
      return std::move(report_);
    }
    if (report_.executions >= options_.executions_max) return std::move(report_);
  } while (back_up());
  report_.complete = true;
  return std::move(report_);
}

void explorer::add_thread(std::string_view name, std::move_only_function<void()> body,
                          bool background) {
  require(threads_.size() < kThreadsMax, "too many threads", __FILE__, __LINE__);
  auto& added = threads_.emplace_back();
  added.name = name;
  added.body = std::move(body);
  added.background = background;
}

void explorer::begin(transfer_t from) {
  current->home_ = from.fctx;
  current->threads_[current->running_].body();
  current->threads_[current->running_].ended = true;
  current->leave_for_ever();
}

void explorer::leave_for_ever() {
  jump_fcontext(home_, nullptr);
  __builtin_unreachable();
}

void explorer::resume(unsigned thread) {
  running_ = thread;
  threads_[thread].context = jump_fcontext(threads_[thread].context, nullptr).fctx;
  running_ = kThreadsMax;
}

void explorer::about_to(operation next) {
  threads_[running_].next = next;
  home_ = jump_fcontext(home_, nullptr).fctx;
}

void explorer::run_once() {
  ++execution_;
  accesses_.clear();
  threads_.clear();
  threads_.reserve(kThreadsMax);
  clocks_ = {};
  exploring_ = true;
  execution made;
  scenario_(made);
  for (unsigned i = 0; i < threads_.size() && !failure_; ++i) {
    threads_[i].context = make_fcontext(stacks_[i].get() + kStackSize, kStackSize, begin);
    resume(i);
  }
  while (!failure_) {
    process_set const ready = all_enabled();
    if (ready == 0) break;
    if (accesses_.size() >= options_.accesses_max) {
      fail("endless");
      break;
    }
    std::size_t const depth = accesses_.size();
    if (exploring_ && depth == choices_.size()) {
      choice fresh{.enabled = ready};
      if (depth > 0 && options_.reduce) {
        choice const& parent = choices_.back();
        access const& last = accesses_.back();
        process_set const sleepers = (parent.asleep | parent.tried) & ~only(parent.chosen);
        for (unsigned i = 0; i < kProcessesMax; ++i) {
          if ((sleepers & only(i)) == 0) continue;
          bool const conflicts = place_of(i) == last.where && (last.writes || would_write(i));
          if (!conflicts) fresh.asleep |= only(i);
        }
      }
      if ((ready & ~fresh.asleep) == 0) {
        exploring_ = false;
      } else {
        fresh.chosen = choose(ready & ~fresh.asleep);
        fresh.to_try = options_.reduce ? only(fresh.chosen) : ready;
        choices_.push_back(fresh);
      }
    }
    if (exploring_) {
      choices_[depth].tried |= only(choices_[depth].chosen);
      perform(choices_[depth].chosen);
    } else {
      perform(choose(ready));
    }
  }
  if (failure_) return;
  if (exploring_) {
    ++report_.executions;
    // A thread that is blocked at the end may go on where something else comes first.
    for (unsigned i = 0; i < threads_.size(); ++i) {
      if (threads_[i].ended) continue;
      note_races(i, threads_[i].next, would_write(i), clocks_[i]);
    }
  } else {
    ++report_.redundant;
  }
  report_.accesses += accesses_.size();
  if (auto const waiting = blocked(); !waiting.empty()) {
    fail("for ever blocked: " + waiting);
    return;
  }
  if (made.check_) made.check_();
}

bool explorer::passable(operation const& next, std::uint64_t value) const noexcept {
  if (next.what == act::acquire) return value == 0;
  if (next.what == act::await) return value != next.compared;
  return true;
}

bool explorer::enabled(unsigned process) const noexcept {
  if (process >= kThreadsMax) {
    unsigned const owner = process - kThreadsMax;
    return owner < threads_.size() && !threads_[owner].buffer.empty();
  }
  if (process >= threads_.size() || threads_[process].ended) return false;
  auto const& thread = threads_[process];
  if (thread.next.what == act::load) return true;
  return thread.buffer.empty() && passable(thread.next, bits_in(*thread.next.where));
}

process_set explorer::all_enabled() const noexcept {
  process_set ready = 0;
  for (unsigned i = 0; i < kProcessesMax; ++i) {
    if (enabled(i)) ready |= only(i);
  }
  return ready;
}

word const* explorer::place_of(unsigned process) const noexcept {
  if (process < kThreadsMax) return threads_[process].next.where;
  return threads_[process - kThreadsMax].buffer.front().where;
}

bool explorer::would_write(unsigned process) const noexcept {
  if (process >= kThreadsMax) return true;
  auto const& next = threads_[process].next;
  if (next.what == act::load || next.what == act::await) return false;
  return !next.compares || bits_in(*next.where) == next.compared;
}

/// Whoever went last goes on, and its stores arrive at once: most like an undisturbed run.
unsigned explorer::choose(process_set candidates) const noexcept {
  if (!accesses_.empty()) {
    unsigned const last = accesses_.back().process % kThreadsMax;
    if ((candidates & only(last + kThreadsMax)) != 0) return last + kThreadsMax;
    if ((candidates & only(last)) != 0) return last;
  }
  return static_cast<unsigned>(std::countr_zero(candidates));
}

void explorer::perform(unsigned process) {
  bool const buffer = process >= kThreadsMax;
  auto& thread = threads_[process % kThreadsMax];
  bool const writes = would_write(process);
  clock before = clocks_[process];
  operation done;
  if (buffer) {
    done = {.what = act::exchange, .where = thread.buffer.front().where, .from = {}};
    before.join(thread.buffer.front().seen);
  } else {
    done = thread.next;
    if (done.what != act::load) before.join(clocks_[process + kThreadsMax]);
  }
  word const& where = *done.where;
  if (where.execution != execution_) {
    where.execution = execution_;
    where.last_access = -1;
  }
  if (exploring_) note_races(process, done, writes, before);
  access made{.process = static_cast<std::uint8_t>(process),
              .writes = writes,
              .value_before = bits_in(where),
              .previous_there = where.last_access,
              .seen = before,
              .where = &where,
              .from = done.from};
  for (int i = where.last_access; i >= 0;
       i = accesses_[static_cast<std::size_t>(i)].previous_there) {
    auto const& earlier = accesses_[static_cast<std::size_t>(i)];
    if (earlier.writes || writes) made.seen.join(earlier.seen);
    if (earlier.writes) break;
  }
  auto const index = accesses_.size();
  made.seen.last[process] = static_cast<std::uint16_t>(index + 1);
  where.last_access = static_cast<int>(index);
  clocks_[process] = made.seen;
  accesses_.push_back(made);
  if (buffer) {
    std::memcpy(where.memory, &thread.buffer.front().value, where.size);
    thread.buffer.pop_front();
    return;
  }
  if (done.what == act::acquire) {
    std::uint64_t const held = 1;
    std::memcpy(where.memory, &held, where.size);
  }
  resume(process);
}

/// Finds the accesses that could as well have come after this one, and asks for those orders.
void explorer::note_races(unsigned process, operation const& next, bool writes, clock before) {
  if (!options_.reduce) return;
  clock seen = before;
  std::vector<int> races;
  if (next.where->execution != execution_) return;
  for (int i = next.where->last_access; i >= 0;) {
    auto const& earlier = accesses_[static_cast<std::size_t>(i)];
    int const at = std::exchange(i, earlier.previous_there);
    if (!earlier.writes && !writes) continue;
    seen.join(earlier.seen);
    if (earlier.process == process) continue;
    auto const number = static_cast<std::uint16_t>(at + 1);
    if (before.last[earlier.process] >= number) continue;
    // Before that it could not have passed: so this order is the only one.
    if (!passable(next, earlier.value_before)) continue;
    bool const reversible = std::ranges::none_of(races, [&](int later) {
      return accesses_[static_cast<std::size_t>(later)].seen.last[earlier.process] >= number;
    });
    if (reversible) races.push_back(at);
  }
  for (int const race : races) ask_for(race, process, seen);
}

/// Sees to it that `process` is tried before the access number `race`, together with what happened
/// since and does not depend on that access.
void explorer::ask_for(int race, unsigned process, clock const& seen) {
  auto const& first = accesses_[static_cast<std::size_t>(race)];
  auto const number = static_cast<std::uint16_t>(race + 1);
  choice& before = choices_[static_cast<std::size_t>(race)];
  process_set initials = 0;
  process_set met = 0;
  std::vector<int> independent;
  for (std::size_t i = static_cast<std::size_t>(race) + 1; i < accesses_.size(); ++i) {
    auto const& each = accesses_[i];
    if (each.seen.last[first.process] >= number) continue;
    if ((met & only(each.process)) == 0) {
      met |= only(each.process);
      bool const leads = std::ranges::none_of(independent, [&](int other) {
        auto const& earlier = accesses_[static_cast<std::size_t>(other)];
        return each.seen.last[earlier.process] >= other + 1;
      });
      if (leads) initials |= only(each.process);
    }
    independent.push_back(static_cast<int>(i));
  }
  if ((met & only(process)) == 0) {
    bool const leads = std::ranges::none_of(independent, [&](int other) {
      auto const& earlier = accesses_[static_cast<std::size_t>(other)];
      return seen.last[earlier.process] >= other + 1;
    });
    if (leads) initials |= only(process);
  }
  if ((initials & before.to_try) != 0) return;
  process_set const wished = initials & before.enabled;
  if ((wished & only(process)) != 0) {
    before.to_try |= only(process);
  } else if (wished != 0) {
    before.to_try |= only(static_cast<unsigned>(std::countr_zero(wished)));
  } else {
    before.to_try |= before.enabled;
  }
}

/// To the last choice with something left to try; false when everything has been.
bool explorer::back_up() {
  while (!choices_.empty()) {
    choice& last = choices_.back();
    process_set const left = last.to_try & ~last.tried & ~last.asleep;
    if (left != 0) {
      last.chosen = static_cast<unsigned>(std::countr_zero(left));
      return true;
    }
    choices_.pop_back();
  }
  return false;
}

void explorer::fail(std::string what) {
  if (!failure_) failure_ = what + "\n" + steps();
}

std::string explorer::blocked() const {
  std::string all;
  for (auto const& each : threads_) {
    if (!each.ended && !each.background) {
      all += fmt::format("{} at {}:{}; ", each.name, file_name(each.next.from.file_name()),
                         each.next.from.line());
    }
  }
  return all;
}

std::string explorer::steps() const {
  std::string all;
  for (auto const& each : accesses_) {
    auto const& thread = threads_[each.process % kThreadsMax];
    if (each.process >= kThreadsMax) {
      all += fmt::format("  {}: a store arrives in memory (was {:#x})\n", thread.name,
                         each.value_before);
    } else {
      all +=
          fmt::format("  {}: {}:{} {} (was {:#x})\n", thread.name, file_name(each.from.file_name()),
                      each.from.line(), each.writes ? "writes" : "reads", each.value_before);
    }
  }
  return all;
}

std::uint64_t explorer::read_own(word const& where) const noexcept {
  if (on_thread()) {
    auto const& buffer = threads_[running_].buffer;
    for (auto each = buffer.rbegin(); each != buffer.rend(); ++each) {
      if (each->where == &where) return each->value;
    }
  }
  return bits_in(where);
}

void explorer::write_later(word const& where, std::uint64_t value) {
  if (options_.store_buffers) {
    threads_[running_].buffer.push_back({&where, value, clocks_[running_]});
    return;
  }
  about_to({.what = act::exchange, .where = &where, .from = {}});
  std::memcpy(where.memory, &value, where.size);
}

bool explorer::has_flaw(flaw kind, std::source_location const& where) {
  site const here{file_name(where.file_name()), where.function_name(), where.line(),
                  where.column()};
  if (!options_.planted) {
    bool const known = std::ranges::any_of(report_.mutations, [&](mutation const& each) {
      return each.kind == kind && each.where.line == here.line &&
             each.where.column == here.column && each.where.file == here.file;
    });
    if (!known) report_.mutations.push_back({here, kind});
    return false;
  }
  auto const& planted = *options_.planted;
  return planted.kind == kind && planted.where.line == here.line &&
         planted.where.column == here.column && planted.where.file == here.file;
}

void explorer::forget(word const& gone) noexcept {
  for (auto& each : threads_)
    std::erase_if(each.buffer, [&](auto const& s) { return s.where == &gone; });
}

report explore(std::function<void(execution&)> const& scenario, options chosen) {
  explorer made{scenario, chosen};
  auto* const outer = std::exchange(current, &made);
  auto result = made.run();
  current = outer;
  return result;
}

void execution::thread(std::string_view name, std::move_only_function<void()> body) {
  current->add_thread(name, std::move(body), false);
}
void execution::background_thread(std::string_view name, std::move_only_function<void()> body) {
  current->add_thread(name, std::move(body), true);
}
void execution::finally(std::move_only_function<void()> check) { check_ = std::move(check); }

void require(bool holds, char const* what, char const* file, int line) {
  if (holds) return;
  current->fail(fmt::format("{} ({}:{})", what, file_name(file), line));
  // The stack is left as it is: nothing of this execution will be used again.
  if (current->on_thread()) current->leave_for_ever();
}

unsigned current_thread() noexcept { return current != nullptr ? current->running() : kThreadsMax; }
bool modelled() noexcept { return current != nullptr && current->on_thread(); }

void about_to(act what, word const& where, std::uint64_t compared, bool compares,
              std::source_location from) {
  require(where.alive, "a word of shared memory is touched after its end", from.file_name(),
          static_cast<int>(from.line()));
  current->about_to({what, &where, compared, compares, from});
}
std::uint64_t read_own(word const& where) noexcept {
  return modelled() ? current->read_own(where) : bits_in(where);
}
void write_later(word const& where, std::uint64_t value) { current->write_later(where, value); }
void write_now(word const& where, std::uint64_t value) noexcept {
  std::memcpy(where.memory, &value, where.size);
}
bool has_flaw(flaw kind, std::source_location const& where) {
  return modelled() && current->has_flaw(kind, where);
}
void forget(word const& gone) noexcept {
  if (modelled()) current->forget(gone);
}

std::string_view name_of(flaw kind) noexcept {
  constexpr std::array<std::string_view, 3> kNames{"torn", "lost", "weak"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace mutirao::model
