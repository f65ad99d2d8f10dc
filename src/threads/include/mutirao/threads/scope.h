#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

namespace mutirao::threads {

/// Stack size classes. Frames are touched page by page, so a large class costs address space and
/// not memory.
enum class stack_size : std::uint8_t {
  small /* 16 KiB */,
  standard /* 64 KiB */,
  large /* 256 KiB */,
  huge /* 1 MiB */
};

struct spawn_options {
  stack_size stack = stack_size::standard;
  /// A background thread's failure does not stop its siblings, and join() does not report it.
  bool isolated = false;
};

/// Owns threads: none outlives its scope.
///
/// Threads that outlive what they work for are how servers leak and tests hang. Every thread is
/// spawned in a scope; leaving the scope asks the remaining ones to stop and waits for them. The
/// first thread that fails (returns an error, or throws) stops its siblings, and join() tells why.
/// A scope made on a thread inherits that thread's deadline and stop requests: stopping the outer
/// stops the inner.
///
/// A stop is delivered only at parking calls, as Fault::cancelled; a passed deadline as
/// Fault::timed_out. spawn() and request_stop() may be called from any thread of the runtime, also
/// from those of the scope itself; join() and the destructor by the owner only.
class scope {
 public:
  explicit scope(Deadline deadline = Deadline::never());
  ~scope();  ///< request_stop(), then waits for all
  scope(scope const&) = delete;
  scope& operator=(scope const&) = delete;

  /// Starts `body` on a new user thread. `body` returns void or Result<void>.
  template <class Body>
  void spawn(std::string name, Body&& body, spawn_options options = {}) {
    using Returned = std::invoke_result_t<Body&>;
    if constexpr (std::is_void_v<Returned>) {
      start(
          std::move(name),
          [body = std::forward<Body>(body)]() mutable -> Result<void> {
            body();
            return {};
          },
          options);
    } else {
      start(std::move(name), std::forward<Body>(body), options);
    }
  }

  /// Waits until every thread has ended; the first failure, if there was one. A caller that is
  /// asked to stop meanwhile hands the stop on to the threads and still waits for them.
  Result<void> join();

  void request_stop() noexcept;
  [[nodiscard]] bool stop_requested() const noexcept;
  [[nodiscard]] std::size_t threads_alive() const noexcept;

  struct state;

 private:
  void start(std::string name, std::move_only_function<Result<void>()> body, spawn_options options);
  std::shared_ptr<state> state_;
};

}  // namespace mutirao::threads
