#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/task.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::threads {

namespace detail {
template <class T>
struct as_result {
  using value = T;
};
template <class T>
struct as_result<Result<T>> {
  using value = T;
};
}  // namespace detail

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
/// from those of the scope itself; join() and the destructor by the owner only. spawn() is a
/// checkpoint(): who starts thousands lets them run meanwhile.
class scope {
 public:
  explicit scope(Deadline deadline = Deadline::never());
  /// Also stopped when `stop` is asked to, by whatever thread or LWP.
  explicit scope(std::stop_token stop, Deadline deadline = Deadline::never());
  ~scope();  ///< request_stop(), then waits for all
  scope(scope const&) = delete;
  scope& operator=(scope const&) = delete;

  /// Starts `body` on a new user thread. It may take a std::stop_token, and returns void or
  /// Result<void>; or T or Result<T>, and then this returns a task<T> to get the value from.
  template <class Body>
  auto spawn(std::string name, Body&& body, spawn_options options = {}) {
    if constexpr (std::is_invocable_v<Body&, std::stop_token>) {
      return spawn(
          std::move(name),
          [body = std::forward<Body>(body)]() mutable { return body(get_stop_token()); }, options);
    } else {
      using Returned = std::invoke_result_t<Body&>;
      if constexpr (std::is_void_v<Returned>) {
        start(
            std::move(name),
            [body = std::forward<Body>(body)]() mutable -> Result<void> {
              body();
              return {};
            },
            options);
      } else if constexpr (std::is_same_v<Returned, Result<void>>) {
        start(std::move(name), std::forward<Body>(body), options);
      } else {
        return spawn_task<typename detail::as_result<Returned>::value>(
            std::move(name), std::forward<Body>(body), options);
      }
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
  template <class T, class Body>
  task<T> spawn_task(std::string name, Body&& body, spawn_options options) {
    auto state = std::make_shared<detail::task_state<T>>();
    start(
        std::move(name),
        [promise = detail::task_promise<T>{state},
         body = std::forward<Body>(body)]() mutable -> Result<void> {
          Result<void> outcome;
          try {
            Result<T> value = body();
            if (!value) outcome = std::unexpected{value.error()};
            promise.set(std::move(value));
          } catch (...) {
            outcome = std::unexpected{detail::escaped_exception()};
            promise.set(std::unexpected{outcome.error()});
          }
          return outcome;
        },
        options);
    return task<T>{std::move(state)};
  }
  void start(std::string name, std::move_only_function<Result<void>()> body, spawn_options options);

  struct stopper {
    std::shared_ptr<state> target;
    void operator()() const noexcept;
  };
  std::shared_ptr<state> state_;
  std::optional<std::stop_callback<stopper>> stopped_by_;
};

}  // namespace mutirao::threads
