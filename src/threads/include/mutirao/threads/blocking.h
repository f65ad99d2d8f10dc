#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace mutirao::threads {

/// Announces a call that may block its LWP for long (getaddrinfo, SQLite, a foreign library): the
/// thread keeps its LWP, and another LWP takes the processor over. At once when this thread's last
/// such call took long; else once the call has taken a while, so that short ones stay cheap. Under
/// a simulated schedule the call simply runs. No parking call may be made inside.
class blocking_section {
 public:
  blocking_section() noexcept;
  ~blocking_section();
  blocking_section(blocking_section const&) = delete;
  blocking_section& operator=(blocking_section const&) = delete;

 private:
  void* processor_ = nullptr;
  std::uint64_t held_ = 0;
  std::uint64_t entered_ = 0;  // ticks
};

template <class Call>
decltype(auto) blocking(Call&& call) {
  blocking_section const section;
  return std::forward<Call>(call)();
}

}  // namespace mutirao::threads
