#include "wait_list.h"

#include <algorithm>

#include <fmt/format.h>

namespace mutirao::sim {

Result<void> WaitList::wait(Deadline deadline, char const* what, threads::wait_kind kind) {
  threads::park_token token;
  waiting_.push_back(&token);
  auto const reason = token.park(deadline, {.kind = kind, .object = this});
  if (reason == threads::wake_reason::woken) return {};
  auto const mine = std::ranges::find(waiting_, &token);
  if (mine == waiting_.end()) {
    // Woken at the same moment: what was waited for has come, and that wins.
    token.until_woken();
    return {};
  }
  waiting_.erase(mine);
  if (reason == threads::wake_reason::timed_out) {
    return fail(Fault::timed_out, fmt::format("{}: the deadline passed", what));
  }
  return fail(Fault::cancelled, fmt::format("{}: asked to stop", what));
}

void WaitList::wake_one() noexcept {
  if (waiting_.empty()) return;
  auto* const token = waiting_.front();
  waiting_.erase(waiting_.begin());
  token->unpark();
}

void WaitList::wake_all() noexcept {
  while (!waiting_.empty()) wake_one();
}

}  // namespace mutirao::sim
