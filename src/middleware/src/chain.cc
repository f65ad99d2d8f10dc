#include "mutirao/middleware/chain.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::middleware {

namespace {
constexpr std::array<std::string_view, kPhases> kPhaseNames{
    "trace", "auth", "deadline", "admission", "cache", "retry", "replicate", "route", "codec"};

/// Whether `first` asked to stand before `second`, or the other way round.
bool must_precede(Placed const& first, Placed const& second) {
  return (std::ranges::find(first.before, second.name) != first.before.end()) ||
         (std::ranges::find(second.after, first.name) != second.after.end());
}

Result<void> check_names(std::vector<Placed> const& placed) {
  for (auto const& each : placed) {
    if (std::ranges::count(placed, each.name, &Placed::name) > 1)
      return fail(Fault::invalid, fmt::format("two interceptors are called {}", each.name),
                  "give one of them another name");
    for (auto const* list : {&each.before, &each.after}) {
      for (auto const& other : *list) {
        auto const found = std::ranges::find(placed, other, &Placed::name);
        if (found != placed.end() && found->phase != each.phase)
          return fail(
              Fault::invalid,
              fmt::format("{} wants a place beside {}, which is of another phase ({}, not {})",
                          each.name, other, to_string(found->phase), to_string(each.phase)),
              "the order of phases is fixed: leave the constraint away");
      }
    }
  }
  return {};
}

/// The circle that those who are left form, for a message.
std::string circle_of(std::vector<Placed> const& left) {
  std::vector<std::string> path{left.front().name};
  for (auto const* at = &left.front();;) {
    auto const before = std::ranges::find_if(
        left, [&](auto const& other) { return &other != at && must_precede(other, *at); });
    at = &*before;
    auto const seen = std::ranges::find(path, at->name);
    path.push_back(at->name);
    if (seen == path.end() - 1 || seen == path.end()) continue;
    return fmt::format("{}", fmt::join(seen, path.end(), " after "));
  }
}

/// Stable: the first that nobody else must precede goes first.
Result<std::vector<Placed>> sorted(std::vector<Placed> left) {
  std::ranges::stable_sort(left, {}, &Placed::phase);
  std::vector<Placed> order;
  while (!left.empty()) {
    auto const free = std::ranges::find_if(left, [&](auto const& one) {
      return one.phase == left.front().phase && std::ranges::none_of(left, [&](auto const& other) {
               return &other != &one && other.phase == one.phase && must_precede(other, one);
             });
    });
    if (free == left.end()) {
      std::erase_if(left, [&](auto const& each) { return each.phase != left.front().phase; });
      return fail(Fault::invalid, fmt::format("interceptors in a circle: {}", circle_of(left)),
                  "take one of the constraints away");
    }
    order.push_back(std::move(*free));
    left.erase(free);
  }
  return order;
}
}  // namespace

std::string_view to_string(Phase phase) noexcept {
  return kPhaseNames[static_cast<std::size_t>(phase)];
}

Result<Phase> phase_from(std::string_view text) {
  auto const found = std::ranges::find(kPhaseNames, text);
  if (found == kPhaseNames.end())
    return fail(Fault::invalid, fmt::format("no phase is called {}", text),
                fmt::format("one of: {}", fmt::join(kPhaseNames, ", ")));
  return static_cast<Phase>(found - kPhaseNames.begin());
}

namespace {
/// Finds the function once, where the compiler can (GCC, "Extracting the function pointer from a
/// bound pointer to member function"): a call that passes then touches neither the interceptor nor
/// its table, which by the time it comes have left the cache.
Next::Link link_to(Interceptor& self) {
#ifdef __clang__
  return {&self,
          [](Interceptor* one, Call& call, Next next) { return one->intercept(call, next); }};
#else
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpmf-conversions"
#pragma GCC diagnostic ignored "-Wpedantic"
  return {&self,
          reinterpret_cast<Reply (*)(Interceptor*, Call&, Next)>(self.*(&Interceptor::intercept))};
#pragma GCC diagnostic pop
#endif
}
}  // namespace

Result<std::unique_ptr<Chain>> Chain::make(std::vector<Placed> placed,
                                           std::shared_ptr<Interceptor> last) {
  MUT_TRY(check_names(placed));
  std::unique_ptr<Chain> chain{new Chain};
  chain->placed_ = MUT_TRY(sorted(std::move(placed)));
  chain->last_ = std::move(last);
  for (auto const& each : chain->placed_) chain->order_.push_back(link_to(*each.interceptor));
  chain->order_.push_back(link_to(*chain->last_));
  return chain;
}

bool LiveChain::Version::unused() const noexcept {
  return std::ranges::all_of(
      pinned, [](auto const& shard) { return shard.calls.load(std::memory_order_seq_cst) == 0; });
}

LiveChain::LiveChain(std::unique_ptr<Chain> first) {
  auto version = std::make_unique<Version>();
  version->chain = std::move(first);
  version->number = last_number_ = 1;
  current_.store(version.get(), std::memory_order_release);
  versions_.push_back(std::move(version));
}

LiveChain::~LiveChain() {
  for (auto const& each : versions_) MUT_ASSERT(each->unused());
}

Result<std::uint64_t> LiveChain::replace(std::unique_ptr<Chain> next, std::uint64_t expected) {
  // Destroyed after the lock is given back: a destructor of an interceptor may park.
  std::vector<std::unique_ptr<Chain>> left;
  std::lock_guard const lock{mutex_};
  auto* const current = current_.load(std::memory_order_relaxed);
  if (current->number != expected)
    return fail(Fault::refused,
                fmt::format("the chain is at version {} by now, not {}", current->number, expected),
                "look at it again, and decide again");
  Version* place = nullptr;
  for (auto const& each : versions_) {
    if (each.get() == current || !each->unused()) continue;
    if (each->chain != nullptr) left.push_back(std::move(each->chain));
    place = each.get();
  }
  if (place == nullptr) {
    versions_.push_back(std::make_unique<Version>());
    place = versions_.back().get();
  }
  place->chain = std::move(next);
  place->number = ++last_number_;
  current_.store(place, std::memory_order_seq_cst);
  return last_number_;
}

std::size_t LiveChain::draining() const {
  std::lock_guard const lock{mutex_};
  auto const* const current = current_.load(std::memory_order_relaxed);
  return static_cast<std::size_t>(std::ranges::count_if(versions_, [&](auto const& each) {
    return each.get() != current && each->chain != nullptr && !each->unused();
  }));
}

}  // namespace mutirao::middleware
