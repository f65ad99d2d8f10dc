#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "mutirao/threads/mutex.h"

namespace mutirao::threads {

/// A bounded queue between threads. A full channel parks the sender: back-pressure, not growth.
template <class T>
class channel {
 public:
  explicit channel(std::size_t capacity) : capacity_{capacity > 0 ? capacity : 1} {}

  /// Fails with closed after close(); `value` is then untouched.
  Result<void> send(T&& value, Deadline deadline = Deadline::never()) {
    std::unique_lock lock{mutex_};
    auto waited = not_full_.wait(
        lock, [&] { return closed_ || queue_.size() < capacity_; }, deadline, note());
    if (!waited) return waited;
    if (closed_) return fail(Fault::closed, "channel is closed");
    queue_.push_back(std::move(value));
    // Under the lock, here and below: whoever gets the last value may destroy the channel at once.
    not_empty_.notify_one();
    return {};
  }

  [[nodiscard]] bool try_send(T&& value) {
    std::lock_guard const lock{mutex_};
    if (closed_ || queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(value));
    not_empty_.notify_one();
    return true;
  }

  /// What was sent before close() is still received; then fails with closed.
  Result<T> receive(Deadline deadline = Deadline::never()) {
    std::unique_lock lock{mutex_};
    auto waited =
        not_empty_.wait(lock, [&] { return closed_ || !queue_.empty(); }, deadline, note());
    if (!waited) return std::unexpected{std::move(waited).error()};
    if (queue_.empty()) return fail(Fault::closed, "channel is closed");
    T value = std::move(queue_.front());
    queue_.pop_front();
    not_full_.notify_one();
    return value;
  }

  [[nodiscard]] std::optional<T> try_receive() {
    std::lock_guard const lock{mutex_};
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value{std::move(queue_.front())};
    queue_.pop_front();
    not_full_.notify_one();
    return value;
  }

  void close() noexcept {
    std::lock_guard const lock{mutex_};
    closed_ = true;
    not_empty_.notify_all();
    not_full_.notify_all();
  }

 private:
  [[nodiscard]] wait_note note() const noexcept {
    return {.kind = wait_kind::channel, .object = this};
  }

  mutex mutex_;
  condition_variable not_empty_;
  condition_variable not_full_;
  std::deque<T> queue_;
  std::size_t capacity_;
  bool closed_ = false;
};

}  // namespace mutirao::threads
