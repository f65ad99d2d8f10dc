#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace mutirao::threads {

namespace detail {
[[nodiscard]] std::uint64_t new_local_key() noexcept;
[[nodiscard]] void* find_local(std::uint64_t key) noexcept;
void add_local(std::uint64_t key, void* value, void (*destroy)(void*));
}  // namespace detail

/// A value of its own for each user thread, as thread_local is for each LWP. Made when a thread
/// first asks for it, destroyed when the thread ends, last made first. A thread's values are a
/// list: this is for a few of them. On user threads only.
template <class T>
class local {
 public:
  local() : local{[] { return T{}; }} {}
  /// `make` gives a thread its first value.
  explicit local(std::function<T()> make) : make_{std::move(make)} {}
  local(local const&) = delete;
  local& operator=(local const&) = delete;

  [[nodiscard]] T& get() {
    if (void* const known = detail::find_local(key_)) return *static_cast<T*>(known);
    auto fresh = std::make_unique<T>(make_());
    detail::add_local(key_, fresh.get(), [](void* value) { delete static_cast<T*>(value); });
    return *fresh.release();
  }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

 private:
  std::uint64_t key_ = detail::new_local_key();
  std::function<T()> make_;
};

}  // namespace mutirao::threads
