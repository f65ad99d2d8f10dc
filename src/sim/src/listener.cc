#include "listener.h"

#include <utility>

#include "mutirao/threads/this_thread.h"

#include "life.h"
#include "stream.h"

namespace mutirao::sim {

void ListenerState::offer(std::shared_ptr<Connection> connection) {
  pending.push_back(std::move(connection));
  acceptors.wake_one();
}

void ListenerState::crash() noexcept {
  crashed = true;
  pending.clear();
  acceptors.wake_all();
}

Result<std::unique_ptr<world::Stream>> SimulatedListener::accept(Deadline deadline) {
  if (fabric_.faults.slow_accept.fires(0.1)) {
    MUT_TRY(threads::sleep_for(fabric_.faults.slow_accept.random().up_to(1s)));
  }
  for (;;) {
    if (state_->crashed) return crashed_host();
    if (state_->closed) return fail(Fault::closed, "accept: the listener is closed");
    if (!state_->pending.empty()) break;
    MUT_TRY(state_->acceptors.wait(deadline, "accept", threads::wait_kind::readable));
  }
  auto connection = std::move(state_->pending.front());
  state_->pending.pop_front();
  fabric_.note(TraceEvent::accepted, station_, connection->local(0).port);
  return std::make_unique<SimulatedStream>(std::move(connection), 1);
}

void SimulatedListener::close() noexcept {
  if (state_->crashed || std::exchange(state_->closed, true)) return;
  if (state_->local_path.empty()) {
    station_.listeners.erase(state_->local);
  } else {
    station_.local_listeners.erase(state_->local_path);
  }
  for (auto const& connection : std::exchange(state_->pending, {})) connection->abort(1);
  state_->acceptors.wake_all();
}

}  // namespace mutirao::sim
