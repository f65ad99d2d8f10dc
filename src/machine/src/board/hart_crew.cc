#include "board/hart_crew.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::machine {
namespace {

// How far a hart goes before it looks at the time.
constexpr std::uint64_t kSliceApart = 20'000;

}  // namespace

HartCrew::HartCrew(unsigned count, bool apart, GuestMemory& memory, Surroundings& surroundings)
    : apart_{apart}, surroundings_{surroundings} {
  for (unsigned i = 0; i < count; ++i) units_.push_back(std::make_unique<HartUnit>(i, memory));
  if (!apart_) return;
  memory.share(*this);
  for (auto const& unit : units_) unit->hart().caller = unit.get();
}

std::vector<Hart*> HartCrew::states() const {
  std::vector<Hart*> states;
  for (auto const& unit : units_) states.push_back(&unit->hart());
  return states;
}

std::uint64_t HartCrew::steps_shown() const noexcept {
  std::uint64_t total = 0;
  for (auto const& unit : units_) total += unit->steps_shown();
  return total;
}

bool HartCrew::start(std::size_t caller, std::size_t number, GuestAddress entry,
                     std::uint64_t argument) {
  auto& target = *units_[number];
  if (!apart_) {
    Sbi::enter_kernel(target.engine->core(), entry, argument);
    target.set_state(HartUnit::State::started);
    return true;
  }
  if (caller == number) return false;  // it runs
  return units_[caller]->wait_for_answers([&] {
    target.ask({.kind = HartUnit::Request::Kind::start,
                .address = entry,
                .argument = argument,
                .asker = units_[caller].get()});
  });
}

void HartCrew::stop(std::size_t number) {
  // Apart, it is stopped once it has left its last block.
  units_[number]->set_state(apart_ ? HartUnit::State::stopping : HartUnit::State::stopped);
  units_[number]->hart().call();
}

void HartCrew::fence(std::size_t caller, std::vector<std::size_t> const& harts,
                     std::optional<RangeFence> const& addresses) {
  using Kind = HartUnit::Request::Kind;
  for (auto const number : harts)
    if (addresses && (!apart_ || number == caller))
      units_[number]->engine->core().mmu.fence(*addresses);
  if (!apart_) return;
  bool const done = units_[caller]->wait_for_answers([&] {
    for (auto const number : harts)
      if (number != caller)
        units_[number]->ask({.kind = addresses ? Kind::fence : Kind::settle,
                             .range = addresses.value_or(RangeFence{}),
                             .asker = units_[caller].get()});
  });
  MUT_ASSERT(done);
}

void HartCrew::page_becomes_code(unsigned hart, GuestAddress page, std::uint32_t holders) {
  bool const done = units_[hart]->wait_for_answers([&] {
    for (auto const& unit : units_)
      if ((holders >> unit->number() & 1) != 0)
        unit->ask({.kind = HartUnit::Request::Kind::watch_page,
                   .address = page,
                   .asker = units_[hart].get()});
  });
  MUT_ASSERT(done);
}

void HartCrew::code_was_written(GuestAddress address, std::uint64_t size) noexcept {
  for (auto const& unit : units_)
    unit->ask({.kind = HartUnit::Request::Kind::forget_code, .address = address, .size = size});
}

// --- Threads -----------------------------------------------------------------------------------

void HartCrew::set_off(std::uint64_t instructions_max) {
  MUT_ASSERT(apart_ && threads_.empty());
  budget_ = instructions_max;
  leaving_ = false;
  for (auto const& unit : units_)
    threads_.emplace_back(fmt::format("hart-{}", unit->number()), [this, &unit] { run(*unit); });
}

void HartCrew::call_off() noexcept {
  leaving_ = true;
  for (auto const& unit : units_) unit->hart().call();
}

void HartCrew::join() { threads_.clear(); }

/// Part of what may still be begun.
std::uint64_t HartCrew::take_budget() noexcept {
  auto left = budget_.load();
  std::uint64_t taken = 0;
  do {
    taken = std::min(left, kSliceApart);
  } while (!budget_.compare_exchange_weak(left, left - taken));
  return taken;
}

void HartCrew::run(HartUnit& unit) {
  Hart& hart = unit.hart();
  unit.begin();
  while (true) {
    // Whatever is set from here on calls the hart again.
    hart.attention = false;
    if (leaving_) break;
    unit.serve();
    if (unit.state() != HartUnit::State::started) {
      unit.sleep(Deadline::never());
      continue;
    }
    surroundings_.look_at_time(unit);
    auto const budget = take_budget();
    auto const before = hart.steps;
    auto const stop = unit.engine->run_about(budget);
    budget_ += budget - (hart.steps - before);
    unit.show_steps();
    if (budget == 0)
      call_off();
    else if (stop == HartEngine::Stop::waiting)
      unit.sleep(surroundings_.wakes_at(unit));
  }
  unit.end();
  surroundings_.hart_left();
}

}  // namespace mutirao::machine
