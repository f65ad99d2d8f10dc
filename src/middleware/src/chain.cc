#include "mutirao/middleware/chain.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

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
    // Somebody must precede each of them, or it would not be left.
    at = &*std::ranges::find_if(
        left, [&](auto const& other) { return &other != at && must_precede(other, *at); });
    auto const met = std::ranges::find(path, at->name) - path.begin();
    path.push_back(at->name);
    if (met + 1 < std::ssize(path))
      return fmt::format("{}", fmt::join(path.begin() + met, path.end(), " after "));
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

Result<LiveChain::Version*> LiveChain::in_force(std::uint64_t expected) const {
  auto* const current = current_.load(std::memory_order_relaxed);
  if (current->number != expected)
    return fail(Fault::refused,
                fmt::format("the chain is at version {} by now, not {}", current->number, expected),
                "look at it again, and decide again");
  if (trial_.load(std::memory_order_relaxed) != nullptr)
    return fail(Fault::refused, "another chain is on trial", "wait until that is decided");
  return current;
}

/// A version that nobody is in, for another chain. What it had is `left` to the caller, who
/// destroys it without the lock: a destructor of an interceptor may park.
LiveChain::Version& LiveChain::place_for(std::unique_ptr<Chain> chain,
                                         std::vector<std::unique_ptr<Chain>>& left) {
  Version* place = nullptr;
  for (auto const& each : versions_) {
    if (each.get() == current_.load(std::memory_order_relaxed) ||
        each.get() == trial_.load(std::memory_order_relaxed) || !each->unused())
      continue;
    if (each->chain != nullptr) left.push_back(std::move(each->chain));
    place = each.get();
  }
  if (place == nullptr) {
    versions_.push_back(std::make_unique<Version>());
    place = versions_.back().get();
  }
  place->chain = std::move(chain);
  place->number = ++last_number_;
  return *place;
}

Result<std::uint64_t> LiveChain::replace(std::unique_ptr<Chain> next, std::uint64_t expected) {
  std::vector<std::unique_ptr<Chain>> left;
  std::lock_guard const lock{mutex_};
  MUT_TRY(in_force(expected));
  current_.store(&place_for(std::move(next), left), std::memory_order_seq_cst);
  return last_number_;
}

Result<void> LiveChain::begin_trial(std::unique_ptr<Chain> next, std::uint64_t expected,
                                    unsigned per_mille) {
  std::vector<std::unique_ptr<Chain>> left;
  std::lock_guard const lock{mutex_};
  MUT_TRY(in_force(expected));
  if (watched_ == nullptr) watched_ = std::make_unique<Trial>();
  for (auto* const watch : {&watched_->old, &watched_->next}) {
    watch->calls = watch->failures = 0;
    for (auto& each : watch->took) each = 0;
  }
  trial_share_.store(per_mille, std::memory_order_relaxed);
  trial_.store(&place_for(std::move(next), left), std::memory_order_seq_cst);
  return {};
}

void LiveChain::set_trial_share(unsigned per_mille) noexcept {
  trial_share_.store(per_mille, std::memory_order_relaxed);
}

std::uint64_t LiveChain::end_trial(bool keep) {
  std::lock_guard const lock{mutex_};
  auto* const tried = trial_.load(std::memory_order_relaxed);
  if (keep && tried != nullptr) current_.store(tried, std::memory_order_seq_cst);
  trial_.store(nullptr, std::memory_order_seq_cst);
  return current_.load(std::memory_order_relaxed)->number;
}

Reply LiveChain::compare(Call& call) const {
  bool const on_trial = trial_turn_.fetch_add(1, std::memory_order_relaxed) % 1000 <
                        trial_share_.load(std::memory_order_relaxed);
  auto const tried = on_trial ? pin(trial_) : pin(current_);
  if (!tried) {  // it ended a moment ago
    auto const pinned = pin(current_);
    return (*pinned)(call);
  }
  auto const begun = threads::now();
  auto const reply = (*tried)(call);
  auto const took = static_cast<std::uint64_t>((threads::now() - begun).count()) | 8u;
  auto& watch = on_trial ? watched_->next : watched_->old;
  auto const magnitude = static_cast<unsigned>(std::bit_width(took)) - 1;
  watch.took[magnitude * 8 + ((took >> (magnitude - 3)) & 7)].fetch_add(1,
                                                                        std::memory_order_relaxed);
  watch.calls.fetch_add(1, std::memory_order_relaxed);
  if (reply.failed()) watch.failures.fetch_add(1, std::memory_order_relaxed);
  return reply;
}

ChainFigures LiveChain::Watch::figures() const {
  ChainFigures figures{.calls = calls.load(), .failures = failures.load()};
  std::uint64_t all = 0;
  for (auto const& each : took) all += each.load(std::memory_order_relaxed);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < took.size(); ++i) {
    seen += took[i].load(std::memory_order_relaxed);
    if (all == 0 || seen * 100 < all * 99) continue;
    auto const magnitude = i / 8;
    figures.p99 = Duration{static_cast<std::int64_t>((9 + i % 8) << (magnitude - 3))};
    break;
  }
  return figures;
}

std::pair<ChainFigures, ChainFigures> LiveChain::trial_figures() const {
  std::lock_guard const lock{mutex_};
  if (watched_ == nullptr) return {};
  return {watched_->old.figures(), watched_->next.figures()};
}

std::optional<std::string> left_band(ChainFigures const& old, ChainFigures const& next,
                                     CanaryBand const& band) {
  if (next.calls < band.calls_min || old.calls < band.calls_min) return std::nullopt;
  auto const share = [](ChainFigures const& of) {
    return static_cast<double>(of.failures) / static_cast<double>(of.calls);
  };
  if (share(next) > share(old) + band.failures_more)
    return fmt::format("{:.1f} % of its calls failed, {:.1f} % of the others", 100 * share(next),
                       100 * share(old));
  auto const ms = [](Duration time) {
    return std::chrono::duration<double, std::milli>{time}.count();
  };
  if (ms(next.p99) > ms(old.p99) * band.p99_ratio + ms(band.p99_more))
    return fmt::format("its p99 is {:.3g} ms, that of the others {:.3g} ms", ms(next.p99),
                       ms(old.p99));
  return std::nullopt;
}

std::size_t LiveChain::draining() const {
  std::lock_guard const lock{mutex_};
  auto const* const current = current_.load(std::memory_order_relaxed);
  return static_cast<std::size_t>(std::ranges::count_if(versions_, [&](auto const& each) {
    return each.get() != current && each.get() != trial_.load() && each->chain != nullptr &&
           !each->unused();
  }));
}

}  // namespace mutirao::middleware
