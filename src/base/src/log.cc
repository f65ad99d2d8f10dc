#include "mutirao/base/log.h"

#include <array>
#include <ctime>
#include <iterator>
#include <string>
#include <sys/time.h>
#include <unistd.h>

namespace mutirao::base {

namespace {

/// Names come from strangers: none ends the line or the message before its end.
std::string one_line(std::string_view message) {
  std::string out;
  out.reserve(message.size() + 2);
  out += '"';
  for (char const c : message) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

}  // namespace

void StderrLog::write(LogLevel level, std::string_view module, std::string_view message) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
  timeval now{};
  gettimeofday(&now, nullptr);
  std::tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  try {
    auto const line =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z level={} module={} msg={}\n",
                    parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                    parts.tm_min, parts.tm_sec, now.tv_usec / 1000,
                    kNames[static_cast<std::size_t>(level)], module, one_line(message));
    // One write a line keeps lines of several threads whole; a log that can't be written is lost.
    [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {
  }
}

}  // namespace mutirao::base
