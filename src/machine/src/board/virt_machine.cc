// Time, the console, and how the harts are run.
#include "board/virt_machine.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "mutirao/threads/this_thread.h"

namespace mutirao::machine {

namespace {
using namespace board;

// By its own instructions a hart makes a hundred million of them in a second.
constexpr std::uint64_t kStepsPerTick = 10;
constexpr std::uint64_t kNever = ~std::uint64_t{0};
// How far one hart goes before the machine looks at the time and at the other harts.
constexpr std::uint64_t kSliceAlone = 20'000, kSliceAmongOthers = 5'000;
// The civil time of a machine that follows its instructions: 2024-01-01.
constexpr std::uint64_t kEpochNs = 1'704'067'200ull * 1'000'000'000;
// What harts may say before anybody listens.
constexpr std::size_t kConsoleTextMax = 1 << 20;

std::uint64_t ticks_of(Duration passed) {
  return static_cast<std::uint64_t>(passed.count()) / kTickNs;
}
}  // namespace

std::uint64_t VirtMachine::steps() const {
  std::uint64_t total = 0;
  for (auto const& hart : harts_) total += hart->hart().steps;
  return total;
}

std::uint64_t VirtMachine::time() {
  if (timebase_ == Timebase::instructions) return steps() / kStepsPerTick + ticks_idle_;
  return ticks_of(world_.clock().now() - power_on_);
}

std::uint64_t VirtMachine::civil_ns() {
  if (timebase_ == Timebase::instructions) return kEpochNs + time() * kTickNs;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        world_.clock().civil().time_since_epoch())
                                        .count());
}

void VirtMachine::tell_of_news() {
  std::lock_guard const lock{outside_mutex_};
  news_ = true;
  outside_came_.notify_all();
}

void VirtMachine::write_console(ByteView bytes) {
  constexpr std::size_t kPiece = 256;
  if (harts_.apart()) {
    std::unique_lock lock{outside_mutex_};
    // Who listens slowly slows down who speaks.
    while (console_text_.size() > kConsoleTextMax && !harts_.leaving())
      static_cast<void>(console_taken_.wait(lock));
    bool const first = console_text_.empty();
    console_text_ += base::text_of(bytes);
    if (!first && console_text_.size() < kPiece && bytes.back() != '\n') return;
    news_ = true;
    outside_came_.notify_all();
    return;
  }
  for (std::uint8_t const byte : bytes) {
    console_line_.push_back(static_cast<char>(byte));
    if (byte == '\n' || console_line_.size() >= kPiece) flush_console();
  }
}

void VirtMachine::flush_console() {
  if (console_line_.empty()) return;
  console_(console_line_);
  console_line_.clear();
}

void VirtMachine::leave(MachineExit exit) {
  {
    std::lock_guard const lock{outside_mutex_};
    if (!exit_) exit_ = exit;
  }
  if (harts_.apart()) return harts_.call_off();
  for (auto const& hart : harts_) hart->hart().call();
}

std::size_t VirtMachine::type(std::string_view bytes) {
  std::lock_guard const lock{outside_mutex_};
  std::size_t const taken = std::min(bytes.size(), Uart::kInputMax - typed_.size());
  typed_.insert(typed_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  news_ = true;
  outside_came_.notify_all();
  return taken;
}

void VirtMachine::system_request(char key) {
  std::lock_guard const lock{outside_mutex_};
  request_key_ = static_cast<std::uint8_t>(key);
  news_ = true;
  outside_came_.notify_all();
}

/// The world's randomness, or in a seeded machine that of the seed.
void VirtMachine::fill_random(MutableBytes bytes) {
  if (timebase_ == Timebase::host) return world_.entropy().fill(bytes);
  for (std::uint8_t& byte : bytes) {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    std::uint64_t z = random_state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    byte = static_cast<std::uint8_t>(z >> 31 ^ z);
  }
}

/// Gives the console what was typed; false if that was nothing.
bool VirtMachine::take_typed() {
  std::lock_guard const lock{outside_mutex_};
  if (request_key_) uart_.send_break(*std::exchange(request_key_, std::nullopt));
  if (typed_.empty()) return false;
  std::string const bytes{typed_.begin(), typed_.end()};
  bool const serial = console_device_ == ConsoleDevice::serial;
  std::size_t taken = 0;
  if (serial)
    taken = uart_.type(bytes);
  else
    fast_console_function_.poll([&] { taken = fast_console_.type(bytes); });
  typed_.erase(typed_.begin(), typed_.begin() + static_cast<std::ptrdiff_t>(taken));
  return taken != 0;
}

std::size_t VirtMachine::console_read(MutableBytes bytes) {
  std::lock_guard const lock{outside_mutex_};
  std::size_t const count = std::min(bytes.size(), typed_.size());
  std::copy_n(typed_.begin(), count, bytes.begin());
  typed_.erase(typed_.begin(), typed_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

/// The tick at which some timer goes off.
std::uint64_t VirtMachine::next_due() const {
  std::uint64_t due = kNever;
  for (auto const& hart : harts_) due = std::min(due, due_of(*hart));
  return due;
}

std::uint64_t VirtMachine::due_of(HartUnit const& hart) const {
  bool const counts =
      hart.state() == HartState::started && (hart.hart().menvcfg & envcfg::kStce) != 0;
  return std::min(clint_.due(hart.number()), counts ? hart.hart().stimecmp : kNever);
}

Deadline VirtMachine::wakes_at(HartUnit const& hart) {
  constexpr std::uint64_t kFar = std::uint64_t{1} << 50;
  auto const due = due_of(hart);
  if (due > kFar) return Deadline::never();
  return Deadline::at(power_on_ + Duration{static_cast<Duration::rep>(due * kTickNs)});
}

/// Every hart waits: lets time pass until something can wake one. False when the thread was asked
/// to stop, or the deadline passed.
bool VirtMachine::idle(Deadline deadline) {
  flush_console();
  std::uint64_t const due = next_due();
  std::uint64_t const now = time();
  if (timebase_ == Timebase::instructions && due != kNever && !paced()) {
    if (due > now) ticks_idle_ += due - now;
    threads::checkpoint();
    return !threads::stop_requested() && !deadline.passed(world_.clock().now());
  }
  if (due <= now) return true;
  // The alarm of the clock is looked at once a second.
  constexpr std::uint64_t kLookTicks = kTicksPerSecond;
  Duration const wait{static_cast<Duration::rep>(std::min(due - now, kLookTicks) * kTickNs)};
  Deadline const until = Deadline::at(world_.clock().now() + wait);
  std::unique_lock lock{outside_mutex_};
  auto const waited = outside_came_.wait(
      lock,
      [this] {
        return !typed_.empty() || request_key_ || !answers_.empty() || !share_answers_.empty() ||
               frames_came_;
      },
      earlier(until, deadline));
  if (paced()) ticks_idle_ += std::max(ticks_of(world_.clock().now() - pace_begin_), now) - now;
  if (!waited && waited.error().fault == Fault::cancelled) return false;
  return !deadline.passed(world_.clock().now());
}

/// Frames come in the world's time. When a seeded machine lets that pass as its own, they come
/// after the same instruction each time in a world that is seeded too.
void VirtMachine::keep_pace() {
  if (!paced()) return;
  Duration const passed{static_cast<Duration::rep>(time() * kTickNs)};
  static_cast<void>(threads::sleep_until(pace_begin_ + passed));
}

MachineExit VirtMachine::run(std::uint64_t instructions_max, Deadline deadline) {
  threads::scope block_threads;
  block_threads_ = &block_threads;
  // Nothing of the last run is left that could touch them.
  for (VirtioBlock::Job& job : std::exchange(postponed_, {})) submit(std::move(job));
  MachineExit const exit = harts_.apart() ? run_apart(instructions_max, deadline)
                                          : run_in_turns(instructions_max, deadline);
  // What is under way ends, and is answered when the machine runs on.
  static_cast<void>(block_threads.join());
  block_threads_ = nullptr;
  if (exit_) flush_disks();
  return exit;
}

/// What harts said, if it is a line or if they have said nothing else for a moment.
std::string VirtMachine::take_console_text(std::unique_lock<threads::mutex>& lock) {
  constexpr Duration kMoment = 2ms;
  if (console_text_.empty()) return {};
  if (console_text_.back() != '\n' && !exit_) {
    auto const size = console_text_.size();
    static_cast<void>(outside_came_.wait(
        lock, [&] { return console_text_.size() != size; },
        Deadline::at(world_.clock().now() + kMoment)));
  }
  console_taken_.notify_all();
  return std::exchange(console_text_, {});
}

void VirtMachine::submit_jobs() {
  std::unique_lock lock{outside_mutex_};
  auto jobs = std::exchange(wanted_, {});
  lock.unlock();
  for (auto& job : jobs) job();
}

/// While harts run apart: hands on what came from outside and what they want there, and waits for
/// more. False when the machine is to end, or rest.
bool VirtMachine::see_to_outside(Deadline deadline) {
  submit_jobs();
  take_answers();
  take_frames();
  take_typed();
  rtc_.look_at_time();
  constexpr Duration kLook = 1s;  // at the alarm of the clock
  auto const until = earlier(deadline, Deadline::at(world_.clock().now() + kLook));
  std::unique_lock lock{outside_mutex_};
  auto const waited =
      outside_came_.wait(lock, [this] { return std::exchange(news_, false); }, until);
  auto const text = take_console_text(lock);
  lock.unlock();
  if (!text.empty()) console_(text);
  bool const cancelled = !waited && waited.error().fault == Fault::cancelled;
  return !harts_.leaving() && !cancelled && !threads::stop_requested() &&
         (deadline.is_never() || !deadline.passed(world_.clock().now()));
}

MachineExit VirtMachine::run_apart(std::uint64_t instructions_max, Deadline deadline) {
  std::uint64_t const begin = steps();
  while (true) {
    harts_.set_off(instructions_max == kNoLimit ? kNoLimit : instructions_max - (steps() - begin));
    while (see_to_outside(deadline)) {
    }
    harts_.call_off();
    {
      std::lock_guard const lock{outside_mutex_};
      console_taken_.notify_all();
    }
    harts_.join();
    // What they still said and wanted.
    submit_jobs();
    if (auto const text = std::exchange(console_text_, {}); !text.empty()) console_(text);
    if (exit_) return *exit_;
    if (threads::stop_requested()) return {MachineExit::Kind::cancelled};
    if (steps() - begin >= instructions_max) return {MachineExit::Kind::instructions};
    if (!deadline.is_never() && deadline.passed(world_.clock().now()))
      return {MachineExit::Kind::timed_out};
  }
}

MachineExit VirtMachine::run_in_turns(std::uint64_t instructions_max, Deadline deadline) {
  std::uint64_t const begin = steps();
  pace_begin_ = world_.clock().now() - Duration{static_cast<Duration::rep>(time() * kTickNs)};
  std::uint64_t const slice = harts_.size() == 1 ? kSliceAlone : kSliceAmongOthers;
  for (;;) {
    bool all_wait = true;
    for (auto const& hart : harts_) {
      if (hart->state() != HartState::started) continue;
      std::uint64_t budget = slice;
      if (timebase_ == Timebase::instructions) {
        // Not past the moment at which a timer goes off.
        std::uint64_t const due = next_due(), now = time();
        if (due > now)
          budget = std::min(budget, std::max<std::uint64_t>((due - now) * kStepsPerTick, 1));
      }
      budget = std::min(budget, instructions_max - (steps() - begin));
      if (hart->engine->run(budget) != HartEngine::Stop::waiting) all_wait = false;
      hart->show_steps();
      if (exit_) break;
    }
    auto const ended = [&](MachineExit exit) {
      flush_console();
      return exit;
    };
    if (exit_) return ended(*exit_);
    if (steps() - begin >= instructions_max) return ended({MachineExit::Kind::instructions});
    keep_pace();
    bool const answered = take_answers();
    bool const framed = take_frames();
    bool const news = take_typed() || answered || framed;
    clint_.look_at_time();
    rtc_.look_at_time();
    if (all_wait && !news) {
      if (!idle(deadline))
        return ended({threads::stop_requested() ? MachineExit::Kind::cancelled
                                                : MachineExit::Kind::timed_out});
      continue;
    }
    threads::yield();
    if (threads::stop_requested()) return ended({MachineExit::Kind::cancelled});
    if (!deadline.is_never() && deadline.passed(world_.clock().now()))
      return ended({MachineExit::Kind::timed_out});
  }
}

}  // namespace mutirao::machine
