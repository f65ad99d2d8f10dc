#include "load.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <limits>
#include <optional>
#include <string>

namespace bench {

namespace {
[[noreturn]] void refuse(std::string_view program, std::string_view why) {
  std::fprintf(stderr,
               "%.*s: %.*s\n"
               "usage: %.*s serve --port P\n"
               "       %.*s drive --port P [--bytes B] [--in-flight C] [--seconds S] [--warmup S] "
               "[--mixed]\n",
               static_cast<int>(program.size()), program.data(), static_cast<int>(why.size()),
               why.data(), static_cast<int>(program.size()), program.data(),
               static_cast<int>(program.size()), program.data());
  std::exit(2);
}

template <class Number>
std::optional<Number> number_of(std::string_view text, Number least, Number most) {
  Number number{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!(number >= least && number <= most)) return std::nullopt;
  return number;
}

/// `program` is for the messages.
Orders orders_of(std::string_view program, int argc, char** argv) {
  Orders orders;
  std::string_view const what = argc > 1 ? argv[1] : "";
  if (what != "serve" && what != "drive") refuse(program, "serve or drive?");
  orders.serve = what == "serve";
  bool bytes_said = false;
  bool in_flight_said = false;
  for (int i = 2; i < argc; ++i) {
    std::string_view const option = argv[i];
    if (option == "--traced") {
      orders.traced = true;
      continue;
    }
    if (option == "--mixed" && !orders.serve) {
      orders.mixed = true;
      continue;
    }
    std::string_view const value = i + 1 < argc ? argv[++i] : "";
    auto const take = [&]<class Number>(Number& into, Number least, Number most) {
      auto const number = number_of<Number>(value, least, most);
      if (!number) refuse(program, std::string{option} + " takes a number");
      into = *number;
    };
    double seconds = 0;
    if (option == "--port") {
      take(orders.port, std::uint16_t{1}, std::numeric_limits<std::uint16_t>::max());
    } else if (option == "--interceptors") {
      take(orders.interceptors, std::size_t{0}, std::size_t{1000});
    } else if (orders.serve) {
      refuse(program, std::string{option} + " is no option of serve");
    } else if (option == "--bytes") {
      take(orders.bytes, std::size_t{1}, std::size_t{1} << 18);
      bytes_said = true;
    } else if (option == "--in-flight") {
      take(orders.in_flight, std::size_t{1}, std::size_t{1} << 14);
      in_flight_said = true;
    } else if (option == "--seconds") {
      take(seconds, 0.01, 600.0);
      orders.measured = std::chrono::duration<double>{seconds};
    } else if (option == "--warmup") {
      take(seconds, 0.0, 600.0);
      orders.warm_up = std::chrono::duration<double>{seconds};
    } else {
      refuse(program, std::string{option} + " is no option of drive");
    }
  }
  if (orders.port == 0) refuse(program, "--port is missing");
  if (orders.mixed && !bytes_said) orders.bytes = 64 << 10;
  if (orders.mixed && !in_flight_said) orders.in_flight = 64;
  return orders;
}

double us(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}
}  // namespace

int run(int argc, char** argv, std::function<void(Orders const&)> const& serve,
        std::function<void(Orders const&)> const& drive) {
  std::string_view program = argv[0];
  program.remove_prefix(program.find_last_of('/') + 1);  // npos + 1 is none
  auto const orders = orders_of(program, argc, argv);
  try {
    (orders.serve ? serve : drive)(orders);
  } catch (std::exception const& exception) {  // of a library
    fail(exception.what());
  }
  return 0;
}

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

void fail(std::string_view what) {
  std::fprintf(stderr, "error: %.*s\n", static_cast<int>(what.size()), what.data());
  std::_Exit(3);
}

std::chrono::nanoseconds Durations::quantile(double share) const {
  std::uint64_t all = 0;
  for (auto const count : counts_) all += count;
  auto const wanted = static_cast<std::uint64_t>(share * static_cast<double>(all));
  std::uint64_t seen = 0;
  for (std::uint64_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen <= wanted && seen < all) continue;
    if (i < kClasses) return std::chrono::nanoseconds{i};
    auto const shift = i / kClasses - 1;
    auto const first = (kClasses + i % kClasses) << shift;
    return std::chrono::nanoseconds{first + (std::uint64_t{1} << shift) / 2};
  }
  return {};
}

Meter::Meter(Orders const& orders) : orders_{orders} {
  begin_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(orders.warm_up);
  end_ = begin_ + std::chrono::duration_cast<Clock::duration>(orders.measured);
}

double Meter::cpu_s() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void Meter::tell() const {
  if (calls_ == 0) fail("no call came back in the time that was measured");
  double const seconds = orders_.measured.count();
  std::printf(
      R"({"calls": %llu, "seconds": %.6g, "calls_per_s": %.6g, "p50_us": %.6g, "p99_us": %.6g, "cpu_s": %.4g)",
      static_cast<unsigned long long>(calls_), seconds, static_cast<double>(calls_) / seconds,
      us(durations_.quantile(0.5)), us(durations_.quantile(0.99)), cpu_s() - cpu_before_s_);
  if (orders_.mixed)
    std::printf(R"(, "beside_per_s": %.6g)", static_cast<double>(calls_beside_) / seconds);
  std::puts("}");
  std::fflush(stdout);
}

}  // namespace bench
