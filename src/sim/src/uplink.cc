#include "uplink.h"

#include "connection.h"
#include "event_queue.h"

namespace mutirao::sim {

void Uplink::offer(std::shared_ptr<Connection> connection, int side, EventQueue& events) {
  ready_.emplace_back(std::move(connection), side);
  run(events);
}

void Uplink::run(EventQueue& events) {
  while (!ready_.empty()) {
    if (line_.free_at > events.now() + kGrain) {
      if (armed_) return;
      armed_ = true;
      events.at(line_.free_at, [this, &events] {
        armed_ = false;
        run(events);
      });
      return;
    }
    auto [connection, side] = std::move(ready_.front());
    ready_.pop_front();
    if (connection->transmit(side)) ready_.emplace_back(std::move(connection), side);
  }
}

}  // namespace mutirao::sim
