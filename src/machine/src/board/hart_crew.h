#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mutirao/threads/bound_thread.h"

#include "board/hart_unit.h"

namespace mutirao::machine {

/// The harts of a machine: what they ask of each other, and the threads that they run on at the
/// same time, one bound LWP each.
///
/// Where harts run in turns instead, on one thread, whoever runs is alone: then everything that is
/// asked is done at once.
class HartCrew final : private CodeExchange {
 public:
  /// What harts need of the machine around, each on its own thread.
  class Surroundings {
   public:
    virtual ~Surroundings() = default;
    /// Time may have passed: raises what is due for the hart.
    virtual void look_at_time(HartUnit& hart) = 0;
    /// When the next thing that wakes the hart is due.
    [[nodiscard]] virtual Deadline wakes_at(HartUnit const& hart) = 0;
    /// A hart has left: it was asked to, or the instructions that it may begin are over.
    virtual void hart_left() = 0;
  };

  /// `memory` and `surroundings` outlive this. Apart: on threads of their own.
  HartCrew(unsigned count, bool apart, GuestMemory& memory, Surroundings& surroundings);

  [[nodiscard]] std::size_t size() const noexcept { return units_.size(); }
  [[nodiscard]] HartUnit& operator[](std::size_t number) noexcept { return *units_[number]; }
  [[nodiscard]] HartUnit const& operator[](std::size_t number) const noexcept {
    return *units_[number];
  }
  [[nodiscard]] auto begin() const noexcept { return units_.begin(); }
  [[nodiscard]] auto end() const noexcept { return units_.end(); }
  [[nodiscard]] std::vector<Hart*> states() const;
  [[nodiscard]] bool apart() const noexcept { return apart_; }
  /// As last said by each.
  [[nodiscard]] std::uint64_t steps_shown() const noexcept;

  // What harts ask for, by the calls of the firmware

  bool start(std::size_t caller, std::size_t number, GuestAddress entry, std::uint64_t argument);
  void stop(std::size_t number);
  void fence(std::size_t caller, std::vector<std::size_t> const& harts,
             std::optional<RangeFence> const& addresses);

  // Threads

  /// Lets all run until they leave; together they begin at most so many instructions.
  void set_off(std::uint64_t instructions_max);
  /// Asks all to leave. From any thread.
  void call_off() noexcept;
  /// Waits until all have left.
  void join();
  /// Whether one has left, so that the others should.
  [[nodiscard]] bool leaving() const noexcept { return leaving_.load(); }

 private:
  void run(HartUnit& unit);
  [[nodiscard]] std::uint64_t take_budget() noexcept;
  void page_becomes_code(unsigned hart, GuestAddress page, std::uint32_t holders) override;
  void code_was_written(GuestAddress address, std::uint64_t size) noexcept override;

  bool const apart_;
  Surroundings& surroundings_;
  std::vector<std::unique_ptr<HartUnit>> units_;
  std::vector<threads::bound_thread> threads_;
  std::atomic<bool> leaving_{false};
  std::atomic<std::uint64_t> budget_{0};
};

}  // namespace mutirao::machine
