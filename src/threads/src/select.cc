#include "mutirao/threads/select.h"

#include <vector>

#include "mutirao/base/check.h"
#include "mutirao/threads/park.h"

#include "runtime_state.h"
#include "ticks.h"
#include "waiting.h"

namespace mutirao::threads {

namespace {
std::size_t draw_below(std::size_t bound) noexcept {
  lwp const* const here = current_lwp();
  if (here != nullptr && here->scheduler->simulated)
    return here->scheduler->simulated->below(bound);
  // What the clock counts in its low digits is random enough; multiplied, so that all digits count.
  return static_cast<std::size_t>((ticks() * 0x9e3779b97f4a7c15) >> 33) % bound;
}
}  // namespace

/// One call of select().
class selection {
 public:
  explicit selection(std::initializer_list<select_case> cases)
      : cases_(cases), first_{draw_below(cases.size())} {}

  [[nodiscard]] std::optional<selected> attempt() {
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      std::size_t const index = (first_ + i) % cases_.size();
      auto const& each = cases_.begin()[index];
      auto const outcome = each.attempt_(*each.channel_, each.value_);
      if (outcome != detail::attempted::not_now)
        return selected{.index = index, .closed = outcome == detail::attempted::closed};
    }
    return std::nullopt;
  }

  /// Waits until one of the channels has changed; or makes an attempt that succeeds meanwhile.
  Result<std::optional<selected>> wait(Deadline deadline) {
    park_token token;
    std::atomic<bool> called{false};
    std::vector<detail::select_watch> watches(cases_.size());
    for (std::size_t i = 0; i < watches.size(); ++i) {
      watches[i] = {.token = &token, .called = &called};
      auto& channel = *cases_.begin()[i].channel_;
      std::lock_guard const lock{channel};
      channel.watch(watches[i]);
    }
    // What has changed before it was watched.
    auto done = attempt();
    auto const reason =
        done ? wake_reason::woken : token.park(deadline, {.kind = wait_kind::select});
    for (std::size_t i = 0; i < watches.size(); ++i) {
      auto& channel = *cases_.begin()[i].channel_;
      std::lock_guard const lock{channel};
      channel.unwatch(watches[i]);
    }
    if (called.exchange(true, std::memory_order_acq_rel)) token.until_woken();
    if (!done && reason != wake_reason::woken) {
      done = attempt();
      if (!done) return ended_wait(reason);
    }
    return done;
  }

 private:
  std::initializer_list<select_case> cases_;
  std::size_t first_;
};

Result<selected> select(std::initializer_list<select_case> cases, Deadline deadline) {
  MUT_ASSERT(cases.size() > 0);
  selection self{cases};
  auto done = self.attempt();
  while (!done) done = MUT_TRY(self.wait(deadline));
  return *done;
}

std::optional<selected> try_select(std::initializer_list<select_case> cases) {
  MUT_ASSERT(cases.size() > 0);
  return selection{cases}.attempt();
}

}  // namespace mutirao::threads
