#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

/// What the programs of bench/middleware share, so that they differ in their middleware alone: the
/// command line, which calls a client keeps in flight, and how a measurement is taken and told.
namespace bench {

using Clock = std::chrono::steady_clock;

/// `PROGRAM serve --port P` answers on 127.0.0.1 until it is ended, and prints "ready" when it
/// listens. `PROGRAM drive --port P ...` calls it for a while over one connection, closed loop:
/// each of the calls in flight is followed by the next as soon as its reply is there.
struct Orders {
  bool serve = false;
  std::uint16_t port = 0;
  std::size_t bytes = 32;     ///< what a call carries there and back
  std::size_t in_flight = 1;  ///< calls
  std::chrono::duration<double> measured{1};
  std::chrono::duration<double> warm_up{0.3};  ///< before that, and not counted
  /// One further call in flight, of `kSmallBytes`; latencies are of that one. The others are there
  /// to be in its way: 64 of 64 KiB where nothing else is said.
  bool mixed = false;
  bool traced = false;  ///< with tracing and deadlines; ours alone
  std::size_t interceptors =
      0;  ///< that do nothing, in the chain of this side; ours alone has them

  static constexpr std::size_t kSmallBytes = 32;

  /// A slot is one of the calls in flight and those that follow it.
  [[nodiscard]] std::size_t slots() const { return in_flight + (mixed ? 1 : 0); }
  [[nodiscard]] bool beside(std::size_t slot) const { return mixed && slot < in_flight; }
  [[nodiscard]] std::size_t bytes_of(std::size_t slot) const {
    return slot < in_flight ? bytes : kSmallBytes;
  }
};

/// The `main` of each program. Exits with 2 and the usage when the command line makes no sense.
int run(int argc, char** argv, std::function<void(Orders const&)> const& serve,
        std::function<void(Orders const&)> const& drive);

void say_ready();

/// Ends the program, with 3: a benchmark that fails has no figures.
[[noreturn]] void fail(std::string_view what);

/// Durations, counted in classes less than 1 % wide: to record one is two instructions more than
/// to count it.
class Durations {
 public:
  void add(std::chrono::nanoseconds duration) { ++counts_[class_of(duration)]; }
  void add(Durations const& others) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += others.counts_[i];
  }
  /// The duration that `share` of them do not exceed.
  [[nodiscard]] std::chrono::nanoseconds quantile(double share) const;

 private:
  static constexpr std::uint64_t kClasses = 128;  // for each power of two
  [[nodiscard]] static std::size_t class_of(std::chrono::nanoseconds duration) {
    auto const ns = static_cast<std::uint64_t>(duration.count());
    if (ns < kClasses) return ns;
    auto const shift = static_cast<std::uint64_t>(std::bit_width(ns)) - std::bit_width(kClasses);
    return shift * kClasses + (ns >> shift);
  }
  std::array<std::uint64_t, 58 * kClasses> counts_{};
};

/// Takes the figures of a client. Its time begins when it is made, with the warm-up.
class Meter {
 public:
  explicit Meter(Orders const& orders);

  /// The reply to a call of `slot` is there.
  void completed(std::size_t slot, Clock::time_point begun, Clock::time_point now) {
    if (now < begin_ || now >= end_) return;
    if (cpu_before_s_ < 0) cpu_before_s_ = cpu_s();
    if (orders_.beside(slot)) {
      ++calls_beside_;
      return;
    }
    ++calls_;
    durations_.add(now - begun);
  }
  [[nodiscard]] bool over(Clock::time_point now) const { return now >= end_; }

  /// One line of JSON.
  void tell() const;

 private:
  [[nodiscard]] static double cpu_s();

  Orders orders_;
  Clock::time_point begin_;
  Clock::time_point end_;
  double cpu_before_s_ = -1;
  std::uint64_t calls_ = 0;
  std::uint64_t calls_beside_ = 0;
  Durations durations_;
};

}  // namespace bench
