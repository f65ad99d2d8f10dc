#pragma once

#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/world.h"

#include "nat/frame_link.h"
#include "nat/packet.h"
#include "nat/policy.h"

namespace mutirao::machine::nat {

/// What all parts of the router share. `mutex` guards everything below it and all of their state;
/// it is never held while a thread waits for the host.
struct Inside {
  world::World& world;
  FrameLink& link;
  /// Each thread of the router, isolated: what one suffers is no matter of the others.
  threads::scope& threads;

  threads::mutex mutex{};
  FrameMaker maker{};
  Policy policy;

  /// A frame of no connection, which is lost when the guest does not take what there is.
  void send(Frame frame) {
    if (link.room_to_guest()) link.to_guest(std::move(frame));
  }
  void spawn(std::string name, std::move_only_function<void()> body) {
    threads.spawn(std::move(name), std::move(body), {.isolated = true});
  }
};

/// Ports of the router behind which those stand who reach the guest through a published port.
inline constexpr std::uint16_t kFirstRouterPort = 49152;

}  // namespace mutirao::machine::nat
