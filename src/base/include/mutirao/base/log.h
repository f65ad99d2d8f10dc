#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace mutirao::base {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// Where a component tells what it did. One info line per change that a user can see, nothing else
/// at info in a quiet hour. Safe to call from any thread; never parks it.
class Log {
 public:
  virtual ~Log() = default;
  [[nodiscard]] virtual bool enabled(LogLevel level) const noexcept = 0;
  virtual void write(LogLevel level, std::string_view module,
                     std::string_view message) noexcept = 0;

  template <class... Args>
  void debug(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    line(LogLevel::debug, module, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    line(LogLevel::info, module, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    line(LogLevel::warning, module, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    line(LogLevel::error, module, format, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void line(LogLevel level, std::string_view module, fmt::format_string<Args...> format,
            Args&&... args) {
    if (enabled(level)) write(level, module, fmt::format(format, std::forward<Args>(args)...));
  }
};

/// Drops everything.
class SilentLog final : public Log {
 public:
  [[nodiscard]] bool enabled(LogLevel) const noexcept override { return false; }
  void write(LogLevel, std::string_view, std::string_view) noexcept override {}
};

/// One logfmt line per message on standard error, stamped with the system's wall clock.
class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel least) noexcept : least_{least} {}
  [[nodiscard]] bool enabled(LogLevel level) const noexcept override { return level >= least_; }
  void write(LogLevel level, std::string_view module, std::string_view message) noexcept override;

 private:
  LogLevel least_;
};

}  // namespace mutirao::base
