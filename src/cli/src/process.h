#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/base/result.h"

namespace mutirao::cli {

/// This program again, as another process. The only place of the project that starts processes; all
/// of it blocks, so it is called outside of user threads or inside threads::blocking.
class Process {
 public:
  struct Options {
    std::vector<std::string> arguments;  ///< after the program's name
    std::string log_file;                ///< its output, appended
    bool tells_ready = true;             ///< it is given --ready-fd
    bool detached = false;  ///< survives us, in a session of its own; otherwise it dies with us
  };
  /// Starts /proc/self/exe in a process group of its own. From the process's first LWP only when
  /// not detached: the kernel ends such a child together with the LWP that started it.
  [[nodiscard]] static Result<Process> start(Options options);
  /// A copy of this process that runs `body`, ends with its result, and dies with us; its standard
  /// input and output lead nowhere. While this process has one thread.
  [[nodiscard]] static Result<Process> copy(std::move_only_function<int()> body);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) = delete;
  ~Process();  ///< ends and reaps a child that is not detached

  /// Waits for what the child tells through --ready-fd: that it answers, or why it can't.
  Result<void> wait_ready(std::chrono::milliseconds at_most);
  void interrupt() noexcept;  ///< SIGTERM
  void kill() noexcept;
  /// The exit code, or 128 + signal; empty when it still runs after `at_most`.
  std::optional<int> wait(std::chrono::milliseconds at_most);
  [[nodiscard]] std::int64_t id() const noexcept { return id_; }
  static void pause(std::chrono::milliseconds time) noexcept;

 private:
  Process(int id, int ready, Options options)
      : id_{id}, ready_{ready}, options_{std::move(options)} {}
  int id_;
  int ready_;
  Options options_;
  std::optional<int> ended_;
};

/// Closes all descriptors but the first three and `except`, which somebody left open for us.
void close_inherited(int except) noexcept;

/// Lets this process be killed when the one that started it ends, and now if it has ended.
void die_with(std::int64_t parent) noexcept;

/// The other end of --ready-fd: `error` null means that the node answers. Closes it.
void tell_ready(int descriptor, Error const* error) noexcept;

/// Most files that this process may open, as now and as it may be raised to; raises it.
struct OpenFileLimit {
  std::uint64_t now;
  std::uint64_t most;
};
OpenFileLimit raise_open_file_limit() noexcept;

}  // namespace mutirao::cli
