#include "mutirao/base/log.h"

#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <ctime>

namespace mutirao::base {

void StderrLog::write(LogLevel level, std::string_view module, std::string_view message) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
  timeval now{};
  gettimeofday(&now, nullptr);
  std::tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  try {
    auto const line = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z level={} module={} msg=\"{}\"\n",
                                  parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                                  parts.tm_min, parts.tm_sec, now.tv_usec / 1000,
                                  kNames[static_cast<std::size_t>(level)], module, message);
    // One write a line keeps lines of several threads whole; a log that can't be written is lost.
    [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {
  }
}

}  // namespace mutirao::base
