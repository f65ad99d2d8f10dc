#include "mutirao/scenario/quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace mutirao::scenario {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t worth;
};

// Smallest first.
constexpr std::array<Unit, 5> kTimes{{{"us", 1'000},
                                      {"ms", 1'000'000},
                                      {"s", 1'000'000'000},
                                      {"min", 60'000'000'000},
                                      {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 7> kSizes{{{"B", 1},
                                      {"kB", 1'000},
                                      {"KiB", 1 << 10},
                                      {"MB", 1'000'000},
                                      {"MiB", 1 << 20},
                                      {"GB", 1'000'000'000},
                                      {"GiB", 1 << 30}}};
constexpr double kMost = 9e18;

template <class Units>
std::optional<std::uint64_t> parse_amount(Units const& units, std::string_view text) {
  double number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !(number >= 0)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (text.starts_with(' ')) text.remove_prefix(1);
  for (auto const& unit : units) {
    if (text != unit.name) continue;
    auto const amount = number * static_cast<double>(unit.worth);
    if (!(amount < kMost)) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(amount));
  }
  return std::nullopt;
}

template <class Units>
std::string write_amount(Units const& units, std::uint64_t amount) {
  auto best = units.front();
  for (auto const& unit : units)
    if (amount > 0 && amount % unit.worth == 0) best = unit;
  return fmt::format("{} {}", amount / best.worth, best.name);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  auto const amount = parse_amount(kTimes, text);
  if (!amount) return std::nullopt;
  return Duration{static_cast<Duration::rep>(*amount)};
}

std::string write_duration(Duration duration) {
  return write_amount(kTimes, static_cast<std::uint64_t>(duration.count()));
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  return parse_amount(kSizes, text);
}

std::string write_bytes(std::uint64_t bytes) { return write_amount(kSizes, bytes); }

}  // namespace mutirao::scenario
