#pragma once

#include <memory>
#include <string>
#include <utility>

#include "mutirao/threads/scope.h"

namespace mutirao::threads {

/// One user thread with a handle, as std::jthread: leaving asks it to stop and waits for it. It
/// can't be detached.
///
/// It is a scope of one, for a thread whose life is that of an object and not of a block: the same
/// inheritance of stops and deadlines, the same rules. The handle may be moved about, but stays
/// with the user thread that made it.
class thread {
 public:
  thread() noexcept = default;
  /// `body` returns void or Result<void>, and may take a std::stop_token.
  template <class Body>
  thread(std::string name, Body&& body, spawn_options options = {})
      : scope_{std::make_unique<scope>()} {
    scope_->spawn(std::move(name), std::forward<Body>(body), options);
  }
  ~thread() = default;
  thread(thread&& other) noexcept = default;
  /// Ends the thread that it had before.
  thread& operator=(thread&& other) noexcept = default;

  [[nodiscard]] bool joinable() const noexcept { return scope_ != nullptr; }
  /// Waits until it has ended, and tells why it failed, if it did.
  Result<void> join() {
    auto outcome = scope_->join();
    scope_.reset();
    return outcome;
  }
  void request_stop() noexcept { scope_->request_stop(); }

 private:
  std::unique_ptr<scope> scope_;
};

}  // namespace mutirao::threads
