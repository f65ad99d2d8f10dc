#pragma once

#include <functional>
#include <memory>
#include <string>

namespace mutirao::threads {

/// A thread with an LWP of its own for as long as it lives: the bound thread of Solaris.
///
/// What computes without end, such as a processor that is imitated, would keep a processor of the
/// runtime from all other threads. Bound, it competes with them as the kernel sees fit.
///
/// It is no user thread: it has no stop and no deadline of a scope, spawns nothing and waits for no
/// descriptor. Mutexes and condition variables work between it and user threads, and make its LWP
/// wait. Leaving the handle waits for the end of the body, which somebody else has to bring about;
/// the user thread parks meanwhile.
class bound_thread {
 public:
  /// Whether there can be one: in a simulated runtime one thread runs at a time, in an order that
  /// is drawn, and nothing runs beside them.
  [[nodiscard]] static bool available() noexcept;

  /// On a user thread of a runtime that is not simulated. `body` throws nothing.
  bound_thread(std::string name, std::move_only_function<void()> body);
  ~bound_thread();
  bound_thread(bound_thread&& other) noexcept;
  bound_thread& operator=(bound_thread&&) = delete;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace mutirao::threads
