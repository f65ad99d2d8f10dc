#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "mutirao/threads/mutex.h"

namespace mutirao::threads {

class select_case;
class selection;

namespace detail {
enum class attempted { not_now, done, closed };

/// A thread in select() that wants to hear of changes.
struct select_watch {
  park_token* token = nullptr;
  std::atomic<bool>* called = nullptr;  ///< whoever sets it wakes the thread
  select_watch* next = nullptr;
  select_watch* previous = nullptr;
};

/// What select() knows of a channel.
class selectable {
 protected:
  friend class threads::selection;
  void watch(select_watch& added) noexcept;
  void unwatch(select_watch& removed) noexcept;
  /// Under the lock, after every change.
  void tell_watching() noexcept {
    if (watches_ != nullptr) [[unlikely]]
      wake_watching();
  }

  mutable mutex mutex_;

 private:
  void wake_watching() noexcept;
  select_watch* watches_ = nullptr;
};
}  // namespace detail

/// A bounded queue between threads. A full channel parks the sender: back-pressure, not growth.
/// Several channels at once: select.h.
template <class T>
class channel : private detail::selectable {
 public:
  explicit channel(std::size_t capacity) : capacity_{capacity > 0 ? capacity : 1} {}

  /// Fails with closed after close(); `value` is then untouched.
  Result<void> send(T&& value, Deadline deadline = Deadline::never()) {
    std::unique_lock lock{mutex_};
    auto waited = not_full_.wait(
        lock, [&] { return closed_ || queue_.size() < capacity_; }, deadline, note());
    if (!waited) return waited;
    if (put(value) == detail::attempted::closed) return fail(Fault::closed, "channel is closed");
    return {};
  }

  [[nodiscard]] bool try_send(T&& value) { return attempt_send(value) == detail::attempted::done; }

  /// What was sent before close() is still received; then fails with closed.
  Result<T> receive(Deadline deadline = Deadline::never()) {
    std::unique_lock lock{mutex_};
    auto waited =
        not_empty_.wait(lock, [&] { return closed_ || !queue_.empty(); }, deadline, note());
    if (!waited) return std::unexpected{std::move(waited).error()};
    if (queue_.empty()) return fail(Fault::closed, "channel is closed");
    return take();
  }

  [[nodiscard]] std::optional<T> try_receive() {
    std::optional<T> value;
    static_cast<void>(attempt_receive(value));
    return value;
  }

  /// Ends every wait: senders fail at once, receivers when what was sent before is used up. Again
  /// is nothing.
  void close() noexcept {
    std::lock_guard const lock{mutex_};
    closed_ = true;
    not_empty_.notify_all();
    not_full_.notify_all();
    tell_watching();
  }
  [[nodiscard]] bool closed() const noexcept {
    std::lock_guard const lock{mutex_};
    return closed_;
  }

 private:
  template <class U>
  friend select_case receive_from(channel<U>& from, std::optional<U>& into) noexcept;
  template <class U>
  friend select_case send_to(channel<U>& to, U& value) noexcept;

  detail::attempted attempt_send(T& value) {
    std::lock_guard const lock{mutex_};
    return put(value);
  }
  detail::attempted attempt_receive(std::optional<T>& into) {
    std::lock_guard const lock{mutex_};
    into.reset();
    if (queue_.empty()) return closed_ ? detail::attempted::closed : detail::attempted::not_now;
    into.emplace(take());
    return detail::attempted::done;
  }

  // Under the lock. Notified there too: whoever gets the last value may destroy the channel at
  // once.
  detail::attempted put(T& value) {
    if (closed_) return detail::attempted::closed;
    if (queue_.size() >= capacity_) return detail::attempted::not_now;
    queue_.push_back(std::move(value));
    not_empty_.notify_one();
    tell_watching();
    return detail::attempted::done;
  }
  T take() {
    T value = std::move(queue_.front());
    queue_.pop_front();
    not_full_.notify_one();
    tell_watching();
    return value;
  }

  [[nodiscard]] wait_note note() const noexcept {
    return {.kind = wait_kind::channel, .object = this};
  }

  condition_variable not_empty_;
  condition_variable not_full_;
  std::deque<T> queue_;
  std::size_t capacity_;
  bool closed_ = false;
};

}  // namespace mutirao::threads
