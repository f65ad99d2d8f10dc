#include "mutirao/base/units.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace mutirao::base {

namespace {
std::string scaled(double value, std::string_view unit) {
  constexpr std::array<std::string_view, 6> kPrefixes{"", "k", "M", "G", "T", "P"};
  std::size_t step = 0;
  // 999.5 would print as "1000": move on to the next prefix before rounding gets there.
  while (value >= 999.5 && step + 1 < kPrefixes.size()) {
    value /= 1000;
    ++step;
  }
  int const decimals = step == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}{}", value, decimals, kPrefixes[step], unit);
}
}  // namespace

std::string format_bytes(std::uint64_t bytes) { return scaled(static_cast<double>(bytes), "B"); }

std::string format_rate(double bytes_per_s) { return scaled(bytes_per_s, "B/s"); }

std::string format_duration(Duration duration) {
  using namespace std::chrono;
  auto const ms = duration_cast<milliseconds>(duration).count();
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 10'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  auto const s = ms / 1000;
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
}

}  // namespace mutirao::base
