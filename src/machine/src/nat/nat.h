#pragma once

#include <memory>

#include "mutirao/machine/network.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/world.h"

#include "nat/frame_link.h"
#include "snapshot/state.h"

namespace mutirao::machine::nat {

/// The router at the other end of a machine's network cable; see NetworkOptions for what the guest
/// finds there.
///
/// All of it runs on user threads of its own, from `create` until it goes: nothing that the host's
/// network does or does not do holds a hart up. The guest is a stranger: whatever frames it sends,
/// connections, threads and bytes are bounded.
///
/// It can be saved, but the host's ends of connections cannot. So a restored one is like a router
/// that was switched off and on again: it knows its neighbour, and TCP connections through it get a
/// reset, those of which it still knows at once and others at their next segment; what goes by UDP
/// begins anew.
class Nat final : public Saved {
 public:
  /// `link` and `world` outlive this. Fails when a published port is taken, or an allowed name is
  /// unknown. Goes on the thread that made it.
  [[nodiscard]] static Result<std::unique_ptr<Nat>> create(NetworkOptions const& options,
                                                           FrameLink& link, world::World& world);
  ~Nat() override;
  Nat(Nat const&) = delete;
  Nat& operator=(Nat const&) = delete;

  [[nodiscard]] Result<void> save(StateWriter& to) const override;
  /// Once the card was, whose abilities count.
  [[nodiscard]] bool restore(StateReader& from) override;

  /// For tests: connections of each kind that there are.
  struct Counts {
    std::size_t tcp;
    std::size_t udp;
  };
  [[nodiscard]] Counts counts();

 private:
  struct Router;
  Nat();
  threads::scope threads_;
  std::unique_ptr<Router> router_;
};

}  // namespace mutirao::machine::nat
