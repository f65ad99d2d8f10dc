#include "mutirao/base/check.h"
#include "mutirao/threads/io.h"

#include "poller.h"
#include "runtime_state.h"
#include "waiting.h"

namespace mutirao::threads {

namespace {

std::unexpected<Error> closed() {
  return fail(Fault::closed, "the descriptor was closed by another thread");
}

/// Waits until `side` of `entry` has had an edge since the last wait.
Result<void> wait_for_edge(pollable::state& entry, std::atomic<std::uintptr_t>& side,
                           Deadline deadline, wait_kind kind) {
  wait_note const note{.kind = kind, .detail = static_cast<std::uintptr_t>(entry.descriptor)};
  park_token token;
  auto const mine = reinterpret_cast<std::uintptr_t>(&token);
  std::uintptr_t seen = 0;
  while (!side.compare_exchange_weak(seen, mine, std::memory_order_seq_cst)) {
    MUT_ASSERT(seen == 0 || seen == kReady);  // one waiter for each direction
    if (seen == kReady && side.compare_exchange_strong(seen, 0, std::memory_order_acq_rel)) {
      if (entry.interrupted.load(std::memory_order_seq_cst)) return closed();
      return {};
    }
    seen = 0;
  }
  if (entry.on_demand.load(std::memory_order_seq_cst)) entry.home->arm(entry);
  // interrupt() sets the flag before it looks for a waiter; so one of the two sees the other.
  bool const interrupted = entry.interrupted.load(std::memory_order_seq_cst);
  wake_reason const reason = interrupted ? wake_reason::woken : token.park(deadline, note);
  if (reason != wake_reason::woken || interrupted) {
    seen = mine;
    bool const taken_back = side.compare_exchange_strong(seen, 0, std::memory_order_acq_rel);
    if (!taken_back) token.until_woken(note);
    if (interrupted) return closed();
    if (taken_back) return ended_wait(reason);
  }
  if (entry.interrupted.load(std::memory_order_seq_cst)) return closed();
  return {};
}
}  // namespace

pollable::pollable(int descriptor) {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr &&
             here->scheduler->io != nullptr);  // on a user thread of a real runtime
  state_ = &here->scheduler->io->add(descriptor);
}

pollable::~pollable() {
  if (state_ != nullptr) state_->home->remove(*state_);
}

pollable::pollable(pollable&& other) noexcept : state_{std::exchange(other.state_, nullptr)} {}

int pollable::descriptor() const noexcept { return state_->descriptor; }

Result<void> pollable::wait_readable(Deadline deadline) {
  return wait_for_edge(*state_, state_->reader, deadline, wait_kind::readable);
}
Result<void> pollable::wait_writable(Deadline deadline) {
  return wait_for_edge(*state_, state_->writer, deadline, wait_kind::writable);
}

void pollable::interrupt() noexcept {
  state_->interrupted.store(true, std::memory_order_seq_cst);
  poller::set_ready(*state_);
}

}  // namespace mutirao::threads
