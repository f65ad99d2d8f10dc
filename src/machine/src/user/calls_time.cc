// System calls about time and randomness.
#include <algorithm>
#include <cerrno>
#include <ctime>

#include "mutirao/world/system_call.h"

#include "user/kernel.h"

namespace mutirao::machine::user {
namespace {

using world::argument_of;
using world::system_call;

constexpr std::int64_t kNanoseconds = 1'000'000'000;
constexpr std::uint64_t kAbsolute = 1;  // TIMER_ABSTIME

/// timespec, which is the same here and there.
struct Timespec {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};

std::int64_t call_clock(SystemCall& call, long host_number) {
  Timespec now;
  auto const got =
      system_call(host_number, static_cast<std::int64_t>(call.a[0]), argument_of(&now));
  if (got < 0) return got;
  if (call.a[1] != 0 && !call.memory().store(call.a[1], now)) return -EFAULT;
  return 0;
}

std::int64_t call_clock_gettime(SystemCall& call) { return call_clock(call, SYS_clock_gettime); }
std::int64_t call_clock_getres(SystemCall& call) { return call_clock(call, SYS_clock_getres); }

std::int64_t call_gettimeofday(SystemCall& call) {
  Timespec now;
  static_cast<void>(system_call(SYS_clock_gettime, CLOCK_REALTIME, argument_of(&now)));
  now.nanoseconds /= 1000;  // timeval
  return call.a[0] == 0 || call.memory().store(call.a[0], now) ? 0 : -EFAULT;
}

/// Waits in a task: the first time it says until when, and then it is over.
std::int64_t sleep_until(SystemCall& call, std::int64_t until_ns) {
  if (call.task.timed_out) return 0;
  call.task.waiting = Waiting{.what = Waiting::For::time, .until_ns = until_ns};
  return kWaits;
}

std::int64_t sleep_as_asked(SystemCall& call, std::int64_t clock, bool absolute, UserAddress at) {
  auto const asked = call.memory().load<Timespec>(at);
  if (!asked) return -EFAULT;
  if (asked->seconds < 0 || asked->nanoseconds < 0 || asked->nanoseconds >= kNanoseconds)
    return -EINVAL;
  auto const seconds = std::min<std::int64_t>(asked->seconds, 1'000'000'000);
  auto length = seconds * kNanoseconds + asked->nanoseconds;
  if (absolute) {
    Timespec now;
    if (auto const got = system_call(SYS_clock_gettime, clock, argument_of(&now)); got < 0)
      return got;
    length -= now.seconds * kNanoseconds + now.nanoseconds;
  }
  return sleep_until(call, Kernel::now_ns() + length);
}

std::int64_t call_nanosleep(SystemCall& call) {
  return sleep_as_asked(call, CLOCK_MONOTONIC, false, call.a[0]);
}
std::int64_t call_clock_nanosleep(SystemCall& call) {
  return sleep_as_asked(call, static_cast<std::int64_t>(call.a[0]), (call.a[1] & kAbsolute) != 0,
                        call.a[2]);
}

std::int64_t call_getrandom(SystemCall& call) {
  constexpr std::uint64_t kBytesMax = 64 << 10;
  Bytes bytes(std::min(call.a[1], kBytesMax));
  auto const got = system_call(SYS_getrandom, argument_of(bytes.data()), std::ssize(bytes),
                               static_cast<std::int64_t>(call.a[2]));
  if (got < 0) return got;
  auto const given = ByteView{bytes}.first(static_cast<std::size_t>(got));
  return call.memory().write(call.a[0], given) ? got : -EFAULT;
}

}  // namespace

std::vector<Entry> time_calls() {
  return {
      {101, call_nanosleep},       {113, call_clock_gettime}, {114, call_clock_getres},
      {115, call_clock_nanosleep}, {169, call_gettimeofday},  {278, call_getrandom},
  };
}

}  // namespace mutirao::machine::user
