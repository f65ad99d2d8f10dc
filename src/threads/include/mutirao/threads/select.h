#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>

#include "mutirao/threads/channel.h"

namespace mutirao::threads {

/// One of several sends and receives that a thread waits for at once. Made by receive_from() and
/// send_to(), which keep references: for use in a call of select() only.
class select_case {
 private:
  using attempt = detail::attempted (*)(detail::any_channel& channel, void* value);
  select_case(detail::any_channel& channel, void* value, attempt attempt) noexcept
      : channel_{&channel}, value_{value}, attempt_{attempt} {}
  template <class T>
  friend select_case receive_from(channel<T>& from, std::optional<T>& into) noexcept;
  template <class T>
  friend select_case send_to(channel<T>& to, T& value) noexcept;
  friend class selection;

  detail::any_channel* channel_;
  void* value_;
  attempt attempt_;
};

/// Chosen when `from` has a value, which then is in `into`, or is closed and empty; `into` is empty
/// then.
template <class T>
[[nodiscard]] select_case receive_from(channel<T>& from, std::optional<T>& into) noexcept {
  return {from, &into, [](detail::any_channel& channel_, void* value) {
            auto& slot = *static_cast<std::optional<T>*>(value);
            return static_cast<channel<T>&>(channel_).attempt_receive(slot);
          }};
}

/// Chosen when `to` has room, and `value` is moved there, or is closed; `value` is untouched then.
template <class T>
[[nodiscard]] select_case send_to(channel<T>& to, T& value) noexcept {
  return {to, &value, [](detail::any_channel& channel_, void* slot) {
            return static_cast<channel<T>&>(channel_).attempt_send(*static_cast<T*>(slot));
          }};
}

struct selected {
  std::size_t index;    ///< of the case that was chosen
  bool closed = false;  ///< its channel is closed: nothing was moved
};

/// Parks until one of the cases can go on, and does exactly that one:
///
///     std::optional<Job> job;
///     std::optional<Order> order;
///     switch (MUT_TRY(select({receive_from(jobs, job), receive_from(orders, order)})).index) ...
///
/// Fair: among those that can go on the choice is random, under a simulated schedule drawn from the
/// seed.
Result<selected> select(std::initializer_list<select_case> cases,
                        Deadline deadline = Deadline::never());

/// What select() would do without parking; empty when no case can go on.
[[nodiscard]] std::optional<selected> try_select(std::initializer_list<select_case> cases);

}  // namespace mutirao::threads
