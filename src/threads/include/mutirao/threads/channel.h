#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"

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

/// A thread that waits in a channel for its counterpart.
struct channel_waiter {
  explicit channel_waiter(void* slot_of_value) noexcept : slot{slot_of_value} {}

  park_token token;
  void* slot;  ///< the value to be sent, or where the received one goes
  channel_waiter* next = nullptr;
  channel_waiter* previous = nullptr;
  bool chosen = false;  ///< out of the line: its token is being woken
  bool served = false;  ///< the value was moved; else the channel was closed
};

/// First come, first served.
class channel_line {
 public:
  [[nodiscard]] channel_waiter* first() const noexcept { return first_; }
  void add(channel_waiter& last) noexcept {
    last.previous = last_;
    (last_ != nullptr ? last_->next : first_) = &last;
    last_ = &last;
  }
  void remove(channel_waiter& taken) noexcept {
    (taken.previous != nullptr ? taken.previous->next : first_) = taken.next;
    (taken.next != nullptr ? taken.next->previous : last_) = taken.previous;
  }
  /// The first, whose value was moved, so that it can be woken.
  void serve(channel_waiter& counterpart) noexcept {
    remove(counterpart);
    counterpart.chosen = counterpart.served = true;
  }
  /// All of them, linked by `next`, to be woken unserved.
  [[nodiscard]] channel_waiter* clear() noexcept {
    for (auto* each = first_; each != nullptr; each = each->next) each->chosen = true;
    last_ = nullptr;
    return std::exchange(first_, nullptr);
  }

 private:
  channel_waiter* first_ = nullptr;
  channel_waiter* last_ = nullptr;
};

/// What channels of all types have in common, and select() knows of them. A lock itself, held for a
/// few instructions and never by a thread that parks.
class any_channel {
 public:
  void lock() const noexcept;
  void unlock() const noexcept;

 protected:
  friend class threads::selection;
  void watch(select_watch& added) noexcept;
  void unwatch(select_watch& removed) noexcept;
  /// Under the lock, when there is a value or room that was not there before.
  void tell_watching() noexcept {
    if (watches_ != nullptr) [[unlikely]]
      wake_watching();
  }
  /// With the lock, which it gives free. The wait has ended as its token says.
  [[nodiscard]] wake_reason wait_in(channel_line& line, channel_waiter& self, Deadline deadline);
  [[nodiscard]] static Error ended(wake_reason reason);
  [[nodiscard]] static Error closed_error();
  static void wake_all(channel_waiter* first) noexcept;

 private:
  void wake_watching() noexcept;
  mutable std::atomic<std::uint32_t> lock_{0};
  select_watch* watches_ = nullptr;
};
}  // namespace detail

/// A bounded queue between threads. A full channel parks the sender: back-pressure, not growth.
/// Several channels at once: select.h.
///
/// Whoever comes to a channel in which its counterpart waits hands the value over to it, or takes
/// it from it, and wakes it: the other need not look again, and nobody gets in between.
template <class T>
class channel : private detail::any_channel {
  static_assert(std::is_nothrow_move_constructible_v<T>);  // it is moved under a lock
  using attempted = detail::attempted;
  using guard = std::unique_lock<detail::any_channel const>;

 public:
  explicit channel(std::size_t capacity) : capacity_{capacity > 0 ? capacity : 1} {}

  /// Fails with closed after close(); `value` is then untouched.
  Result<void> send(T&& value, Deadline deadline = Deadline::never()) {
    guard held{*this};
    auto outcome = put(value, held);
    if (outcome == attempted::not_now) {
      detail::channel_waiter self{&value};
      held.release();
      auto const reason = wait_in(senders_, self, deadline);
      if (reason != wake_reason::woken) return std::unexpected{ended(reason)};
      outcome = self.served ? attempted::done : attempted::closed;
    }
    if (outcome == attempted::closed) return std::unexpected{closed_error()};
    return {};
  }

  [[nodiscard]] bool try_send(T&& value) { return attempt_send(value) == attempted::done; }

  /// What was sent before close() is still received; then fails with closed.
  Result<T> receive(Deadline deadline = Deadline::never()) {
    std::optional<T> value;
    guard held{*this};
    auto const outcome = take(value, held);
    if (outcome == attempted::not_now) {
      detail::channel_waiter self{&value};
      held.release();
      auto const reason = wait_in(receivers_, self, deadline);
      if (reason != wake_reason::woken) return std::unexpected{ended(reason)};
    }
    if (!value) return std::unexpected{closed_error()};
    return *std::move(value);
  }

  [[nodiscard]] std::optional<T> try_receive() {
    std::optional<T> value;
    static_cast<void>(attempt_receive(value));
    return value;
  }

  /// Ends every wait: senders fail at once, receivers when what was sent before is used up. Again
  /// is nothing.
  void close() noexcept {
    guard held{*this};
    closed_ = true;
    auto* const receivers = receivers_.clear();
    auto* const senders = senders_.clear();
    tell_watching();
    held.unlock();
    // Whoever is woken may destroy the channel.
    wake_all(receivers);
    wake_all(senders);
  }
  [[nodiscard]] bool closed() const noexcept {
    guard const held{*this};
    return closed_;
  }

 private:
  template <class U>
  friend select_case receive_from(channel<U>& from, std::optional<U>& into) noexcept;
  template <class U>
  friend select_case send_to(channel<U>& to, U& value) noexcept;

  attempted attempt_send(T& value) {
    guard held{*this};
    return put(value, held);
  }
  attempted attempt_receive(std::optional<T>& into) {
    into.reset();
    guard held{*this};
    return take(into, held);
  }

  // With the lock, which they give free before they wake the counterpart: that one may destroy the
  // channel at once.
  attempted put(T& value, guard& held) {
    if (closed_) return attempted::closed;
    if (auto* const receiver = receivers_.first()) {
      static_cast<std::optional<T>*>(receiver->slot)->emplace(std::move(value));
      receivers_.serve(*receiver);
      held.unlock();
      receiver->token.unpark();
      return attempted::done;
    }
    if (queue_.size() >= capacity_) return attempted::not_now;
    queue_.push_back(std::move(value));
    tell_watching();
    return attempted::done;
  }
  attempted take(std::optional<T>& into, guard& held) {
    if (queue_.empty()) return closed_ ? attempted::closed : attempted::not_now;
    into.emplace(std::move(queue_.front()));
    queue_.pop_front();
    if (auto* const sender = senders_.first()) {
      queue_.push_back(std::move(*static_cast<T*>(sender->slot)));
      senders_.serve(*sender);
      held.unlock();
      sender->token.unpark();
    } else {
      tell_watching();
    }
    return attempted::done;
  }

  detail::channel_line receivers_;  // only while the queue is empty
  detail::channel_line senders_;    // only while it is full
  std::deque<T> queue_;
  std::size_t capacity_;
  bool closed_ = false;
};

}  // namespace mutirao::threads
