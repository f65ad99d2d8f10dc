#include "nat/frame_link.h"

#include <iterator>
#include <mutex>
#include <utility>

namespace mutirao::machine::nat {

void FrameLink::set_abilities(Abilities abilities) noexcept {
  abilities_.store(
      static_cast<std::uint8_t>((abilities.checksums ? 1 : 0) | (abilities.large_frames ? 2 : 0)),
      std::memory_order_relaxed);
}

FrameLink::Abilities FrameLink::abilities() const noexcept {
  auto const bits = abilities_.load(std::memory_order_relaxed);
  return {.checksums = (bits & 1) != 0, .large_frames = (bits & 2) != 0};
}

bool FrameLink::may_send() {
  std::lock_guard const lock{mutex_};
  if (!from_guest_.full()) return true;
  from_guest_.sender_waits = true;
  return false;
}

void FrameLink::send(Frame frame) {
  std::lock_guard const lock{mutex_};
  bool const first = from_guest_.frames.empty();
  from_guest_.push(std::move(frame));
  if (first) router_news_.notify_one();
}

std::optional<Frame> FrameLink::receive() {
  std::lock_guard const lock{mutex_};
  if (to_guest_.frames.empty()) return std::nullopt;
  Frame frame = std::move(to_guest_.frames.front());
  to_guest_.frames.pop_front();
  to_guest_.bytes -= frame.bytes.size();
  if (to_guest_.sender_waits && to_guest_.roomy()) {
    to_guest_.sender_waits = false;
    room_came_ = true;
    router_news_.notify_one();
  }
  return frame;
}

Result<std::vector<Frame>> FrameLink::wait(Deadline deadline) {
  std::vector<Frame> frames;
  bool tell_guest = false;
  {
    std::unique_lock lock{mutex_};
    MUT_TRY(router_news_.wait(
        lock, [&] { return !from_guest_.frames.empty() || room_came_; }, deadline));
    room_came_ = false;
    frames.assign(std::move_iterator{from_guest_.frames.begin()},
                  std::move_iterator{from_guest_.frames.end()});
    from_guest_.frames.clear();
    from_guest_.bytes = 0;
    tell_guest = std::exchange(from_guest_.sender_waits, false);
  }
  if (tell_guest) news_();
  return frames;
}

bool FrameLink::room_to_guest() {
  std::lock_guard const lock{mutex_};
  if (!to_guest_.full()) return true;
  to_guest_.sender_waits = true;
  return false;
}

bool FrameLink::drained() {
  std::lock_guard const lock{mutex_};
  return to_guest_.frames.empty();
}

void FrameLink::to_guest(Frame frame) {
  bool first;
  {
    std::lock_guard const lock{mutex_};
    first = to_guest_.frames.empty();
    to_guest_.push(std::move(frame));
  }
  if (first) news_();
}

}  // namespace mutirao::machine::nat
