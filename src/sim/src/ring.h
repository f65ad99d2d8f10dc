#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace mutirao::sim {

/// A queue in one piece of memory, which it takes when first used and keeps: in the steady state
/// nothing is allocated, and the many that are empty cost four words each. (A std::deque takes
/// half a kilobyte when it is made, and allocates again and again as it moves on.)
template <class T>
class Ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& front() noexcept { return cells_[head_]; }
  [[nodiscard]] T& back() noexcept { return cells_[place(size_ - 1)]; }

  void push_back(T value) {
    make_room();
    cells_[place(size_++)] = std::move(value);
  }
  void push_front(T value) {
    make_room();
    head_ = place(cells_.size() - 1);
    cells_[head_] = std::move(value);
    ++size_;
  }
  T pop_front() {
    T value = std::exchange(cells_[head_], T{});
    head_ = place(1);
    --size_;
    return value;
  }
  void clear() noexcept {
    while (!empty()) static_cast<void>(pop_front());
  }

 private:
  [[nodiscard]] std::size_t place(std::size_t nth) const noexcept {
    return (head_ + nth) & (cells_.size() - 1);
  }
  void make_room() {
    if (size_ < cells_.size()) return;
    constexpr std::size_t kLeast = 4;  // always a power of two
    std::vector<T> larger(std::max(kLeast, 2 * cells_.size()));
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move(cells_[place(i)]);
    cells_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> cells_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace mutirao::sim
