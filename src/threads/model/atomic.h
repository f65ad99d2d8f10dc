#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>
#include <utility>

#include "explorer.h"

namespace mutirao::model {

/// Stands in for std::atomic: the explorer decides before each access who goes on.
template <class T>
class atomic {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  using here = std::source_location;
  using order = std::memory_order;

 public:
  using value_type = T;
  atomic() noexcept : atomic{T{}} {}
  atomic(T initial) noexcept : value_{initial} {
    word_.memory = &value_;
    word_.size = sizeof(T);
  }
  ~atomic() {
    forget(word_);
    word_.alive = false;
  }
  atomic(atomic const&) = delete;
  atomic& operator=(atomic const&) = delete;
  T operator=(T value) {
    store(value);
    return value;
  }

  [[nodiscard]] T load(order = order::seq_cst, here from = here::current()) const {
    if (!modelled()) return value_;
    about_to(act::load, word_, 0, false, from);
    return from_bits(read_own(word_));
  }
  operator T() const { return load(); }
  T operator++() { return static_cast<T>(fetch_add(1) + 1); }
  T operator--() { return static_cast<T>(fetch_sub(1) - 1); }

  void store(T value, order how = order::seq_cst, here from = here::current()) {
    if (!modelled()) {
      value_ = value;
      return;
    }
    if (has_flaw(flaw::lost, from)) return;
    if (how != order::seq_cst || has_flaw(flaw::weak, from)) {
      write_later(word_, to_bits(value));
      return;
    }
    about_to(act::exchange, word_, 0, false, from);
    write_now(word_, to_bits(value));
  }

  T exchange(T value, order = order::seq_cst, here from = here::current()) {
    return change([value](T) { return value; }, from);
  }
  T fetch_add(T more, order = order::seq_cst, here from = here::current()) {
    return change([more](T old) { return static_cast<T>(old + more); }, from);
  }
  T fetch_sub(T less, order = order::seq_cst, here from = here::current()) {
    return change([less](T old) { return static_cast<T>(old - less); }, from);
  }
  T fetch_or(T more, order = order::seq_cst, here from = here::current()) {
    return change([more](T old) { return static_cast<T>(old | more); }, from);
  }
  T fetch_and(T mask, order = order::seq_cst, here from = here::current()) {
    return change([mask](T old) { return static_cast<T>(old & mask); }, from);
  }

  bool compare_exchange_strong(T& expected, T desired, order = order::seq_cst,
                               order = order::seq_cst, here from = here::current()) {
    if (!modelled()) {
      bool const equal = to_bits(value_) == to_bits(expected);
      (equal ? value_ : expected) = equal ? desired : value_;
      return equal;
    }
    bool const torn = has_flaw(flaw::torn, from);
    bool const lost = has_flaw(flaw::lost, from);
    if (torn) {
      about_to(act::load, word_, 0, false, from);
    } else {
      about_to(act::exchange, word_, to_bits(expected), true, from);
    }
    T const seen = from_bits(read_own(word_));
    if (to_bits(seen) != to_bits(expected)) {
      expected = seen;
      return false;
    }
    if (torn) {
      write_later(word_, to_bits(desired));
    } else if (!lost) {
      write_now(word_, to_bits(desired));
    }
    return true;
  }
  bool compare_exchange_weak(T& expected, T desired, order how = order::seq_cst,
                             order failing = order::seq_cst, here from = here::current()) {
    return compare_exchange_strong(expected, desired, how, failing, from);
  }

  void wait(T old, order = order::seq_cst, here from = here::current()) const {
    about_to(act::await, word_, to_bits(old), false, from);
  }
  void notify_one() noexcept {}
  void notify_all() noexcept {}

  /// For the model's spin_guard: waits until it is zero, and makes it one.
  void acquire(here from = here::current()) {
    if (modelled()) {
      about_to(act::acquire, word_, 0, false, from);
    } else {
      value_ = 1;
    }
  }

 private:
  static std::uint64_t to_bits(T value) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  }
  static T from_bits(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  template <class Next>
  T change(Next const& next, here const& from) {
    if (!modelled()) return std::exchange(value_, next(value_));
    bool const torn = has_flaw(flaw::torn, from);
    bool const lost = has_flaw(flaw::lost, from);
    about_to(torn ? act::load : act::exchange, word_, 0, false, from);
    T const old = from_bits(read_own(word_));
    if (torn) {
      write_later(word_, to_bits(next(old)));
    } else if (!lost) {
      write_now(word_, to_bits(next(old)));
    }
    return old;
  }

  T value_;
  word word_;
};

}  // namespace mutirao::model
